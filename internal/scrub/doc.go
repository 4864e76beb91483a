// Package scrub makes packets fit to be sent to a vendor: the bytes of DICOM data sets,
// which are patients', become zeros, and everything else stays as it is: handshakes,
// command sets, lengths, times, and what TCP did.
//
//	s := scrub.New(func(p *pcapfile.Packet, f *input.File) error { return out.Add(f, p) })
//	for … {
//		err = s.Add(packet, file)
//	}
//	err = s.Close()
//	fmt.Println(s.Stats().DICOM.Bytes, "bytes were overwritten")
//
// # What is kept
//
// Not data sets are looked for, but protocol: of a connection that may be DICOM's those
// bytes are kept that are known to be the header of a PDU or of a presentation data value,
// an element of a command set that PS3.7 knows, an item of an A-ASSOCIATE-RQ or -AC, a
// rejection, a release or an abort, and zeros are put for all others. Values are held to
// what they may be: a UID has digits and dots. User names, passcodes and tickets (PS3.7,
// section D.3.3.7) are overwritten like data sets. AE titles, UIDs and error comments stay.
//
// What isn't positively known is overwritten: UDP, fragments, tunnels, what ICMP errors
// quote, what comes after the end of a connection, padding, trailers, reserved fields, options
// of IP and TCP and extension headers that aren't known, connections of MPTCP from where others
// carry the same stream, and connections in which nothing is recognised. Of connections that begin as
// TLS, HTTP, SSH, HL7 or with a proxy's header the numbers and words of these protocols
// stay, and no data, encrypted or not; less where DICOM was seen, or has its ports. Stats
// name them. PDUs are looked for in them and behind whatever came first.
//
// # Retransmissions
//
// TCP is followed by internal/tcp, which tells each byte of a stream once. What was kept is
// remembered, by sequence number and with the bytes themselves, 8 MiB of the stream back
// and 128 KiB of bytes at most. A packet is compared with that when it is handed out: so a
// copy, a retransmission, or any piece of one comes out as the first did, and no byte comes
// out that wasn't once told to be protocol at that place.
//
// # Order
//
// What waits behind a hole isn't decided: its packet, and all that follow, are held back,
// until the hole is filled or given up; no longer than 10 s of the capture's time, 16,384
// packets, or 16 MiB. Then what isn't decided is overwritten.
//
// # Checksums
//
// One that was right is right again; one that was wrong, or left to the network card,
// stays. Of a packet that the snap length cut, or IP, that can't be told: its checksum
// changes by as much as what was captured of it did (RFC 1624).
package scrub
