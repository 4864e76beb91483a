// Package filter compiles the language of pcap-filter(7), in which tcpdump and
// Wireshark take capture filters, to programs of classic BPF, and runs them on
// packets. It needs neither libpcap nor cgo.
//
//	p, err := filter.Compile("tcp port 104 and not host 10.0.0.9", nil)
//	if err != nil {
//		return err // filter: … at "…"; errors.As finds the place, see Error
//	}
//	if p.Match(frame, length) { … }
//
// A filter for a file is given the file's link type, one for an interface also
// Live; Program.Instructions are then what the kernel takes with
// SO_ATTACH_FILTER:
//
//	p, err := filter.Compile(expr, &filter.Config{LinkType: filter.LinkTypeEthernet, Live: true})
//
// # Agreement with libpcap
//
// The language is that of libpcap 1.11, on all of libpcap's link types that have
// a header which it understands. Programs accept the packets that libpcap's do;
// the tests hold them against libpcap's own test cases, against tcpdump, and
// against the kernel. They are rarely longer than libpcap's and execute fewer
// instructions; long lists of ports and addresses are searched by halves.
//
// The differences are these:
//
//   - A packet that ends before a byte which is looked at is rejected, even under
//     not. Programs look at no byte that makes no difference, and libpcap's do at
//     some: of packets that are cut off in their headers they reject a few more.
//   - Where libpcap says that an expression rejects all packets, there is a
//     program, and Never tells.
//   - A divisor is zero, and a shift too wide, if its value is. libpcap goes by
//     the first number in it: it refuses len / (0 + ip[0]), and takes
//     len / (2 - 2).
//   - libpcap's optimiser changes what a few programs accept: those of ip or vlan
//     and ip on an interface, and of (0 << tcp[0]) = 0. Here they accept what
//     they accept under tcpdump -O. In a live filter with vlan libpcap may also
//     overwrite where the packet begins with a number of a relation before it.
//   - On 802.11, libpcap makes sure that a packet is of the protocol of the first
//     operand of a relation, ip[0] + tcp[0] = 5. Here it has to be of all of them.
//   - Behind radiotap, libpcap's programs for geneve and vxlan read memory which
//     they never wrote, and kernels refuse them. These don't.
//   - inbound, outbound and ifindex on files without such a field are errors, as
//     in 1.11; 1.10 compiles them to tests that a file's packet never passes.
//   - The names of pf's reasons and actions are those of all systems, not of the
//     one that libpcap was built on.
//   - protochain, for which libpcap's program has a loop, ends on each packet,
//     also on one whose headers lead back to one another. It can't be compiled
//     for a kernel.
//   - A live filter is for the kernel alone. Where libpcap falls back to user
//     space, for bytes of a cooked header that the kernel doesn't show and for
//     programs that are too long, there is an error that says so.
//   - Live programs for LINUX_SLL and LINUX_SLL2 find the network layer at
//     SKF_NET_OFF, so that they serve SOCK_RAW and SOCK_DGRAM sockets. An index
//     of 1 MiB or more, read from the packet itself, leads to other bytes there.
//   - Expressions are at most 256 KiB long and 1000 levels deep. What would take
//     long to optimise gets a longer program instead.
//
// # Names
//
// Names of hosts, networks, ports and protocols are looked up while an expression
// is compiled, by Config.Resolver, and never afterwards.
package filter
