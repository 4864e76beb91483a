// Package decode prints packets, one line each, in the form that readers of
// tcpdump's output know:
//
//	13:04:05.123456 IP 172.17.0.1.40312 > 172.17.0.2.104: Flags [P.], seq 1:69, ack 1, win 502, length 68
//
// It reads headers where they are, some with gopacket's layers, and makes no Packet of
// them. What it does not do: look up names, follow connections (sequence numbers are
// those of the header), or put fragments or segments together. Checksums are checked
// where a Printer is Verbose.
//
// What a datagram or segment carries is named if it begins there: as tcpdump does
// where it does, and in its manner where it doesn't (TLS, QUIC, DICOM, SMB, LDAP,
// HL7). Datagrams are known by their ports, but QUIC; segments by what they begin
// with, on any port. Of what goes on in a later segment nothing is said. Data sets of
// DICOM, fields of HL7 but the type, and communities of SNMP are never printed; the
// first lines of HTTP and SIP are, but the query of a request, in which a DICOMweb
// client asks for a patient, only with Verbose.
//
// Packets are not trusted. A line is one line whatever is in the packet, has no
// control characters, and is printed in bounded time and memory. What Verbose and Dump
// add are lines of their own; Colors adds control sequences, and no others.
//
// It differs from tcpdump where one line or its reader gains by it: a packet is
// never more than a line, VLAN tags and fragments are always shown, what VXLAN and
// ERSPAN carry is on the same line, protocols are named that tcpdump numbers, and a
// device that is known by its number only is shown by that.
//
// AppendJSON makes the same an object, whose fields docs/read-json.md describes; a
// Summary is what packets are counted by.
//
// A protocol is a method of Printer that takes a view of its bytes; it is made
// known in the one switch of the layer beneath: link.go by link type and by
// EtherType, ip.go by IP protocol, payload.go by port or first bytes.
package decode
