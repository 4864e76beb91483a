// Package journal keeps, beside a capture, a line for each DICOM association as it ends.
//
// Whoever captures meets no parser: it hands the files that it writes, each as a read-only
// descriptor, to a process of its own, which can't do anything but read them and write
// lines into a pipe (see internal/sandbox). What comes out of the pipe goes into a bounded
// file, unread but for its key.
//
//	k, err := journal.New(&journal.Config{Path: "dicom.jsonl", Log: log})
//	…
//	k.Began(path)  // a file of the capture; never waits
//	…
//	err = k.Close(ctx) // the capture has ended: what is in its files is waited for
//
// The reading process dies of whatever a packet does to it, and is started again: with
// the file that it had and the one before, of which lines that are written already are
// passed over. If it dies of the same file again, it goes on with the next one, and a
// line says so. One descriptor is open at a time: if it can't keep up with a capture
// whose files are deleted meanwhile, those are left out, and a line says that too.
package journal
