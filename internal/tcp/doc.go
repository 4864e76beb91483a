// Package tcp follows TCP connections from outside, by the packets of a capture: it puts
// what each side sent in order, says what of it is missing, tells what came twice from what
// came late, and measures what the sides waited for.
//
//	tracker := tcp.New(&tcp.Config{Open: func(c *tcp.Conn) tcp.Handler { return &follower{conn: c} }})
//	var s tcp.Segment
//	for {
//		p, _, err := stream.Next()
//		…
//		s.Packet++
//		switch s.Read(p) {
//		case tcp.TCP:
//			tracker.Segment(&s)
//		case tcp.ICMP:
//			tracker.ICMP(&s)
//		}
//	}
//	tracker.Close()
//
// It knows nothing of what is said in a connection, and stores nothing of it: bytes are
// handed to a Handler as they come. Only what is captured behind a hole waits for what is
// missing, up to 1 MiB of a direction; then the hole is given up and the stream goes on.
//
// # What came twice, or late
//
// Packets of one sender have identifications (IPv4's, else TSval of RFC 7323). Bytes that
// the capture has already, with the same identification, are a copy: a bridge and the
// interfaces behind it each show a packet, as does a capture on all interfaces. With
// another they are a retransmission, of what was lost behind the capture point, if it was
// lost. Bytes that fill a hole were lost before the capture point if their segment is later
// than the one that opened it, and overtaken on the way if it is earlier. Bytes that are
// acknowledged and never seen were lost by the capture: nothing was wrong with the network.
//
// Where a sender has neither identifications nor timestamps, what comes again within a
// millisecond is a copy.
//
// # When a hole is given up
//
// When the other side has acknowledged it, 10 ms or 64 segments later, for an
// acknowledgement may be captured before the data that it is about; at once, when the other
// side sends data with that acknowledgement, so that an answer never comes before what it
// answers. When too much waits behind it. And at the end of the connection. A FIN that
// wasn't captured isn't told from one missing byte at the end, and taken for it.
//
// # Where a connection begins and ends
//
// A connection without a SYN begins with its first segment in each direction: what was
// under way when the capture began looks like a hole, or is counted as BeforeStart. A SYN
// with another sequence number begins another connection between the same ports.
//
// A connection ends when both sides' FIN are acknowledged, or by a RST, and takes what comes
// late for two seconds more, by the capture's clock; then the Handler is told. What comes
// still later is passed over, for two minutes. Idle connections stay, unless Config has a
// limit: one that nothing was heard of for hours may be waited for by both sides. A SYN
// that isn't answered is given up three minutes after it was last sent.
//
// # Pauses
//
// Pause explains each kind. Those of a side never overlap, so that they can be added up;
// those of both sides can.
package tcp
