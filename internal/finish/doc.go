// Package finish does in the background what is wanted of each finished file of a
// capture: it compresses it, or has a command run on it, or both. One file at a time,
// in order, at the lowest priority for processor and disk: the capture comes first.
package finish
