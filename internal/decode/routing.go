package decode

import "encoding/binary"

// routed prints the common line of the routing protocols: a name, a version, a type.
func (p *Printer) routed(name string, version uint8, names []string, kind uint8) *Printer {
	return p.word(name).text("v").uint(uint32(version)).text(", ").lookup(names, int(kind), "unknown type ")
}

// ospf prints OSPF, RFC 2328 appendix A.3 and RFC 5340 appendix A.3.
func (p *Printer) ospf(v view) {
	if len(v.data) < 2 {
		p.cut("ospf2")
		return
	}
	names := []string{"", "Hello", "Database Description", "LS-Request", "LS-Update", "LS-Ack"}
	length := v.length
	if len(v.data) >= 4 { // what is behind it are signatures
		length = int(binary.BigEndian.Uint16(v.data[2:]))
	}
	p.routed("OSPF", v.data[0], names, v.data[1]).length(length)
}

// eigrp prints EIGRP, RFC 7868 section 6.
func (p *Printer) eigrp(v view) {
	p.word("EIGRP").text(" ")
	if len(v.data) < 2 {
		p.cut("eigrp")
		return
	}
	names := []string{"", "Update", "", "Query", "Reply", "Hello", "IPX SAP", "Probe", "Ack", "", "SIA Query", "SIA Reply"}
	p.lookup(names, int(v.data[1]), "unknown, type: ").text(", length: ").int(int64(v.length))
}

// pim prints PIM, RFC 7761 section 4.9.
func (p *Printer) pim(v view) {
	if len(v.data) < 4 {
		p.cut("pim")
		return
	}
	names := []string{
		"Hello", "Register", "Register Stop", "Join / Prune", "Bootstrap", "Assert", "Graft", "Graft-ACK",
		"Candidate RP Advertisement", "Prune-Refresh", "DF-Election", "ECMP Redirect", "PIM Flooding Mechanism",
	}
	p.routed("PIM", v.data[0]>>4, names, v.data[0]&0xf).length(v.length)
}

// vrrp prints VRRP, RFC 5798 section 5 and RFC 3768 section 5.
func (p *Printer) vrrp(d *datagram, v view) {
	b := v.data
	if len(b) < 8 {
		p.cut("vrrp")
		return
	}
	version := b[0] >> 4
	p.word("VRRP").text("v").uint(uint32(version)).text(", ").lookup([]string{"", "Advertisement"}, int(b[0]&0xf), "[type#").text(", ")
	if d.ttl != 255 {
		p.text("(ttl ").uint(uint32(d.ttl)).text("), ")
	}
	p.text("vrid ").uint(uint32(b[1])).text(", prio ").uint(uint32(b[2]))
	if version == 2 {
		names := []string{"none", "simple", "ah"}
		p.text(", authtype ").lookup(names, int(b[4]), "auth#").text(", intvl ").uint(uint32(b[5])).text("s")
	} else {
		p.text(", intvl ").uint(uint32(binary.BigEndian.Uint16(b[4:]) & 0xfff)).text("cs")
	}
	p.length(v.length)
}

// rsvp prints RSVP, RFC 2205 section 3.1.
func (p *Printer) rsvp(v view) {
	if len(v.data) < 8 {
		p.cut("rsvp")
		return
	}
	names := []string{
		"", "Path", "Resv", "PathErr", "ResvErr", "PathTear", "ResvTear", "ResvConf", "", "", "", "", "Bundle", "ACK", "",
		"Summary Refresh", "", "", "", "", "Hello",
	}
	p.word("RSVP").text("v").uint(uint32(v.data[0]>>4)).text(" ").lookup(names, int(v.data[1]), "unknown-")
	p.text(" Message, length: ").int(int64(v.length))
}

// igmp prints IGMP, RFC 1112, 2236 and 3376.
func (p *Printer) igmp(v view) {
	p.word("igmp").text(" ")
	b := v.data
	if len(b) < 8 {
		p.cut("igmp")
		return
	}
	const query, report1, dvmrp, pim1, report2, leave, mtraceReply, mtrace, report3 = 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x1e, 0x1f, 0x22
	switch b[0] {
	case query:
		p.igmpQuery(v)
	case report1:
		p.text("v1 report ").addrBytes(b[4:8])
		p.igmpLength(v)
	case report2:
		p.text("v2 report ").addrBytes(b[4:8])
	case report3:
		p.text("v3 report, ").uint(uint32(binary.BigEndian.Uint16(b[6:]))).text(" group record(s)")
	case leave:
		p.text("leave ").addrBytes(b[4:8])
	case dvmrp:
		p.text("dvmrp").length(v.length)
	case pim1:
		names := []string{"Query", "Register", "Register-stop", "Join/Prune", "RP-reachable", "Assert", "Graft", "Graft-ACK"}
		p.text("pimv1 ").lookup(names, int(b[1]), "type ")
	case mtraceReply:
		p.text("mresp").length(v.length)
	case mtrace:
		p.text("mtrace").length(v.length)
	default:
		p.out = p.out[:len(p.out)-1]
		p.text("-").uint(uint32(b[0]))
	}
	if p.Verbose > 0 && len(b) >= v.length {
		if sum := ^fold(checksum(0, b[:v.length])); sum != 0 {
			p.color(sgrError).text(" bad igmp cksum ").hexInt(int64(binary.BigEndian.Uint16(b[2:]))).text("!").color(sgrReset)
		}
	}
}

func (p *Printer) igmpQuery(v view) {
	b := v.data
	p.text("query v")
	code := b[1]
	group := binary.BigEndian.Uint32(b[4:])
	const everyTen = 100 // tenths of a second, the usual
	if v.length >= 12 {
		p.text("3")
		if code != everyTen {
			tenths := int(code)
			if code >= 128 {
				tenths = (int(code&0xf) | 0x10) << (code>>4&7 + 3)
			}
			p.text(" [max resp time ")
			if tenths < 600 {
				p.int(int64(tenths / 10)).text(".").int(int64(tenths % 10)).text("s]")
			} else {
				p.int(int64(tenths / 600)).text("m")
				if seconds := tenths / 10 % 60; seconds != 0 {
					p.int(int64(seconds)).text("s")
				}
				p.text("]")
			}
		}
		if group != 0 && len(b) >= 12 {
			p.text(" [gaddr ").addrBytes(b[4:8])
			if n := binary.BigEndian.Uint16(b[10:]); n > 0 {
				p.text(", ").uint(uint32(n)).text(" source(s)")
			}
			p.text("]")
		}
		return
	}
	if code == 0 {
		p.text("1")
	} else {
		p.text("2")
		if code != everyTen {
			p.text(" [max resp time ").uint(uint32(code)).text("]")
		}
	}
	if group != 0 {
		p.text(" [gaddr ").addrBytes(b[4:8]).text("]")
	}
	p.igmpLength(v)
}

func (p *Printer) igmpLength(v view) {
	if v.length != 8 {
		p.text(" [len ").int(int64(v.length)).text("]")
	}
}
