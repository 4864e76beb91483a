// Package fileset knows what a set is on disk, and is the only place that does: how its files
// are called, what compression appends to their names, what lies beside them, which of them is
// the newest, and whether a capture writes it.
//
// The set NAME has, in one directory:
//
//	NAME-20261123T130405Z-000001.pcapng      a file: its start (UTC), its number in the sequence
//	NAME-20261123T130405Z-000002.pcapng.zst  the same, compressed when it was finished
//	NAME.ledger                              its gaps, and what became of its files
//	NAME.holds                               what must not be deleted
//	.NAME.lock                               locked while a capture writes the set
//	.NAME.holds.lock                         locked while the holds are changed
package fileset
