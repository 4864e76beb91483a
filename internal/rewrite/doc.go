// Package rewrite writes packets of captures into one capture: filtered, merged, or in the
// other format.
//
// What a pcapng file says beside its packets is kept as far as it stays true: what the
// sections say of machine, system and comments; interfaces, each once, though many files
// describe it; names of addresses; decryption secrets, journal entries, and blocks for local
// use or of unknown types; custom blocks and options that may be copied; all options of
// interfaces and packets. Numbers in big-endian order are converted; where it isn't known
// which bytes are numbers, the block or option is left out.
//
// All is one section, but that a packet without a time begins another one if its interface
// isn't the first: only the first one's can be without. Statistics count the packets of the
// original capture: they are left out, but where one whole file is written in pcapng. Of a
// scrubbed capture what might tell what was in it is left out, and a Bare copy has numbers
// and addresses only. Lost says what isn't there, and why.
package rewrite
