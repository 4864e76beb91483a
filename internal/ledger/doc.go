// Package ledger keeps, beside the files of a capture set, every interval in which
// packets are or may be missing, why, and how many.
//
// The ledger of the set NAME is the file NAME.ledger: lines of JSON, appended as
// things happen and synced to the disk. The first line has a fixed length and is
// written anew every few seconds. It says until when the capture was alive, so that
// the next one knows when its predecessor was killed. A gap that grows is written
// again under its number; the last line of a number counts. A line that a power cut
// tore is cut off, and what the ledger can't say is taken from the files of the set.
//
// Each file of the set has lines too: begun, finished, deleted. What has gone without a
// deletion, and numbers between two files that no line knows, are gaps as well.
//
// A ledger that has grown beyond a bound is written anew, without the gaps that are
// older than all files of the set; if that isn't enough, neighbours become one. Old
// deletions are summed up.
package ledger
