// Package rotate lays records down in files: a set of them in one directory
// that stays inside its bounds for ever, or exactly one file, or a stream.
//
// A set is the content of its directory: files of earlier runs count, and only
// regular files of the set's own naming, owner and directory are ever deleted.
// Nothing that exists is opened for writing, truncated or overwritten.
//
// A Writer has two sides. The front appends records to buffers in memory and
// says where a file ends; it is called by whoever must not wait for a disk. The
// back, a goroutine, writes full buffers past the page cache (O_DIRECT), partly
// filled ones at least every flush interval, deletes what must go, and rides
// out full and failing disks. In between are buffers that are taken as needed,
// up to a bound, and given back. What can't be written is counted, to the
// packet.
//
// The package knows nothing of what the records are, but for four functions
// of Config: what begins a file, what ends one, also one that was cut, and where records end.
package rotate
