// Package pcapfile reads and writes packet captures: pcap as libpcap's
// pcap-savefile(5) describes it, and pcapng as draft-ietf-opsawg-pcapng does.
//
// Writing is done by functions that append one block or record to a byte
// slice, as strconv.AppendInt does, so the caller decides where the bytes go
// and when:
//
//	b = pcapfile.AppendSection(b, &pcapfile.Section{Application: "example"})
//	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet})
//	b = pcapfile.AppendPacket(b, 0, time.Now().UnixNano(), data, uint32(len(data)), 0)
//
// They don't allocate if the slice has room. Files are written little-endian
// with nanoseconds, on every machine.
//
// A Reader takes both formats in either byte order, with all resolutions of
// time, several sections and all kinds of packet block, and reads what libpcap
// reads the way libpcap does. It trusts nothing: no length in a file makes it
// allocate more than the file has bytes, and damage is reported with the offset
// where it is.
//
// The package opens no files, reads no clock, does not look into packets, and
// does not write what it can read: big-endian files, other resolutions,
// timestamps before 1970.
package pcapfile
