// Package seqpacket joins a process and one that it starts by a pair of Unix sockets of the
// type SOCK_SEQPACKET: each message is whole, and an end of the pair says that the other one
// is gone.
//
//	conn, file, err := seqpacket.Pair()
//	cmd.Stdin = file                        // here
//	conn, err := seqpacket.Conn(os.Stdin)   // there
package seqpacket
