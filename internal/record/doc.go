// Package record is the main job: it joins live packets (package capture), the
// bytes of a capture file (package pcapfile) and a bounded set of files
// (package rotate), and keeps count. A Recorder's packets come from one or more
// interfaces, one goroutine each; what they receive goes, a ring block at a
// time, through one encoder into one sequence of files.
//
// Its sums are exact: once a Recorder has stopped, received = written +
// dropped by the kernel + dropped for the disk.
package record
