// Package rewrite writes packets of captures into one capture: filtered, merged, or in the
// other format.
//
// What a pcapng file says beside its packets is kept as far as it stays true: what the
// sections say of machine, system and comments; interfaces, each once, though many files
// describe it; names of addresses; custom blocks that may be copied; of packets comments,
// flags, and how many were lost before them. All is one section. Statistics count the
// packets of the original capture: they are left out, but where one whole file is written
// in pcapng. Blocks of other kinds, such as decryption secrets, and packet options other
// than those above are left out.
package rewrite
