// Package report says what is in captures without printing packets: Info walks
// a file once, List looks at the files of a directory that capture sets have
// written, mostly by their ends.
//
// It reads, and changes nothing. Memory does not grow with the length of a
// file.
package report
