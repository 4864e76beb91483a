// Package filter compiles expressions of the language that pcap-filter(7)
// describes, as libpcap 1.11 has it, to programs of classic BPF. A program runs
// in the kernel, which then hands out only the packets that are wanted, or on
// packets from a file:
//
//	p, err := filter.Compile("tcp port 104 and not host 10.0.0.7", nil)
//	if err != nil {
//		return err
//	}
//	if p.Match(data, length) {
//		…
//	}
//
// The package opens no socket and reads no capture. It asks for the numbers of
// names while it compiles, and nobody but Config.Resolver.
//
// # From files, and live
//
// Config.LinkType says what packets begin with. A program is for bytes as files
// have them, or, with Config.Live, for a Linux packet socket. There packets differ:
//
//   - The kernel takes the outermost VLAN tag off and keeps it beside the packet.
//     vlan looks for both, a tag beside the packet and one in it.
//   - What inbound, outbound and ifindex ask for is kept beside the packet too. Few
//     link types have it in files, LINUX_SLL2 among them. For the others the three
//     keywords are errors.
//   - There is no header of LINUX_SLL or LINUX_SLL2 yet. Programs for these look
//     for the network layer at SKF_NET_OFF, so that they serve sockets of type
//     SOCK_RAW and SOCK_DGRAM alike. len is the length of what the socket shows.
//     With Config.Mixed what only Ethernet has is looked for where there is Ethernet.
//   - NULL and LOOP number address families as Linux does. In files they may come
//     from any BSD, NULL from machines of either byte order, and all those count.
//
// A live expression that the kernel can't run is an error, ErrNotForKernel; with
// Config.UserSpace it is a program for Program.MatchLive, which runs it, or one that
// a kernel refuses, on what a packet socket without a filter receives. In a file's, protochain may be used, which needs a loop, and a program may be longer
// than MaxInstructions: Program.Kernel says so, and Match runs it all the same.
//
// # Errors
//
// Every error of Compile is an *Error, which says what was expected, or what is
// wrong, and where. Caret shows the place:
//
//	filter: "10.0.0.256" is no IPv4 address: each part is at most 255 at "10.0.0.256"
//	tcp port 104 and (host 10.0.0.7 or 10.0.0.256)
//	                                   ^^^^^^^^^^
//
// Expressions may come from strangers. More than 256 KiB of one, more than 1,000
// levels, tests or scratch memory beyond what can be had, are errors that wrap
// ErrTooComplex. The longest and worst that are known take a second and a half.
//
// # Deviations from libpcap
//
// Programs aren't libpcap's. They are shorter, and execute fewer instructions for a
// packet. Which expressions are taken, and the verdict on each packet, are the same
// but for what follows.
//
//   - An expression that matches no packet is a program, for which Never holds, and
//     no error: a filter that a script puts together may well be empty.
//   - A packet that ends before a byte that is looked at is rejected, even under
//     not. Tests that make no difference are left out here more often than by
//     libpcap's optimiser, and may be made in another order, so that a truncated
//     packet may be accepted, or rejected, where libpcap does the reverse.
//     So may a packet that ends within or right behind a Geneve header.
//   - libpcap takes the first number in a divisor or a shift for the whole: it
//     refuses len / ip[0] as a division by zero. Here only constants are refused.
//   - libpcap runs out of registers where expressions in parentheses nest, and of
//     scratch memory where geneve or vxlan follow one another. Here that happens
//     later.
//   - On 802.11, ip[0] makes sense only in data frames, behind a header whose length
//     is calculated. In 1 << ip[9] > 64 libpcap checks the left operand's frame, not
//     the right one's. Here both are.
//   - geneve, vxlan and pppoes behind a radiotap header have libpcap read scratch
//     memory that nothing was written to, and a kernel refuse the program; here
//     they work.
//   - In "udp or geneve and tcp port 80", or with not geneve in front, packets get
//     to tcp port 80 of which geneve hasn't found where a payload is. libpcap again
//     reads what was never written. Here that port is one of the packet itself. It
//     is the same with vxlan. pppoes on 802.11 lets frames get there that are no
//     data frames and have no place for PPP.
//   - The optimiser of libpcap 1.10 makes mistakes. It finds that "ip6 src and dst
//     net (2001:db8::/33 and 2001:db8::/33)" matches nothing, that len & ip[1] &
//     0xffffffff is never 0, and in live captures lets "arp or vlan and ip" skip 4
//     bytes too many behind a tag that is kept beside the packet. Here they mean
//     what they mean to libpcap without its optimiser.
//   - With vlan in a live expression libpcap may keep where the packet begins in the
//     word of scratch memory that it gave to a number in a relation further left.
//   - In a live program for LINUX_SLL or LINUX_SLL2 an index of 1 MiB or more that is
//     read from the packet itself leads to other bytes, and not beyond the end.
//   - A live expression that needs more of a LINUX_SLL or LINUX_SLL2 header than the
//     kernel keeps is an error, but for Config.Mixed, and so is protochain unless
//     Config.UserSpace is set. libpcap filters after the kernel then, without a word
//     about the cost.
//   - reason and action know the names of all BSDs, not only of the one that the
//     program was compiled on.
//   - System asks the files in /etc, and name servers for hosts; other databases
//     that nsswitch.conf(5) may name are not asked.
//
// What is the same, though it looks like a mistake: and and or bind equally. % and ^
// take all that follows for their right operand. Only the leftmost part of a packet
// in an arithmetic expression implies that the packet has its protocol. Ports are
// not looked for behind IPv6 extension headers, nor tcp[0] in IPv6. protochain goes
// on at a wrong place behind an authentication header. The comparisons < and > take
// SS7's little-endian fields as they come.
package filter
