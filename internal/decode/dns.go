package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

const (
	dnsSize      = 12 // of the header, RFC 1035 section 4.1.1
	maxDNSOutput = 512
)

// A dnsMessage is read from at on. Pointers in names are relative to its beginning.
type dnsMessage struct {
	view
	at        int
	multicast bool
}

func (p *Printer) dns(v view) bool {
	p.protocol = "dns"
	p.domain(&dnsMessage{view: v})
	return true
}

// mdns prints DNS with the bits that RFC 6762 takes from the class.
func (p *Printer) mdns(v view) bool {
	p.protocol = "mdns"
	p.domain(&dnsMessage{view: v, multicast: true})
	return true
}

// dnsStream prints a message with its length before it, RFC 1035 section 4.2.2, if a
// segment begins with one.
func (p *Printer) dnsStream(v view) {
	const prefix = 2
	if len(v.data) < prefix+dnsSize {
		return
	}
	length, flags := v.uint16At(0), v.uint16At(4)
	// The reserved bit, an unused opcode and more questions than one are never sent.
	if length < dnsSize || flags&dnsReserved != 0 || flags>>11&15 > 6 || v.uint16At(6) > 1 {
		return
	}
	p.text(" ")
	message := v.after(prefix).first(length)
	message.length = length
	p.dns(message)
}

// Flags of the header.
const (
	dnsResponse           = 1 << 15
	dnsAuthoritative      = 1 << 10
	dnsTruncated          = 1 << 9
	dnsRecursionDesired   = 1 << 8
	dnsRecursionAvailable = 1 << 7
	dnsReserved           = 1 << 6
	dnsAuthentic          = 1 << 5
	dnsCheckingDisabled   = 1 << 4
	dnsUnusual            = 0x6cf // in a question
)

// As tcpdump calls them.
var dnsOpcodes = [16]string{
	"", " inv_q", " stat", " op3", " notify", " update", " op6", " op7", " op8",
	" updateA", " updateD", " updateDA", " updateM", " updateMA", " zoneInit", " zoneRef",
}

var dnsResults = []string{
	"", " FormErr", " ServFail", " NXDomain", " NotImp", " Refused", " YXDomain", " YXRRSet",
	" NXRRSet", " NotAuth", " NotZone", " Resp11", " Resp12", " Resp13", " Resp14", " NoChange",
	" BadVers", " BadKey", " BadTime", " BadMode", " BadName", " BadAlg", " BadTrunc", " BadCookie",
}

const dnsInverse = 1 // the opcode

func (p *Printer) domain(m *dnsMessage) {
	if m.length < dnsSize {
		p.text("domain [length ").int(int64(m.length)).text(" < ").int(dnsSize).text("] (invalid)")
		return
	}
	if len(m.data) < dnsSize {
		p.text(" ")
		p.cut("domain")
		return
	}
	id, flags := m.uint16At(0), m.uint16At(2)
	questions, answers, authorities, additional := m.uint16At(4), m.uint16At(6), m.uint16At(8), m.uint16At(10)
	m.at = dnsSize
	p.int(int64(id)).text(dnsOpcodes[flags>>11&15])
	whole := false
	if flags&dnsResponse != 0 {
		p.result(flags&15 | m.extendedResult())
		p.mark(flags&dnsAuthoritative != 0, "*").mark(flags&dnsRecursionAvailable == 0, "-")
		p.mark(flags&dnsTruncated != 0, "|").mark(flags&dnsAuthentic != 0, "$")
		if questions != 1 {
			p.text(" [").int(int64(questions)).text("q]")
		}
		whole = m.skipQuestions(questions) && p.answers(m, answers, authorities, additional)
	} else {
		p.mark(flags&dnsRecursionDesired != 0, "+").mark(flags&dnsCheckingDisabled != 0, "%")
		if flags&dnsUnusual != 0 {
			p.text(" [b2&3=0x").hexInt(int64(flags)).text("]")
		}
		expected, unexpected := questions, answers
		letter, other := "q]", "a]"
		if flags>>11&15 == dnsInverse {
			expected, unexpected, letter, other = answers, questions, other, letter
		}
		p.count(unexpected, 0, other).count(expected, 1, letter)
		p.count(authorities, 0, "n]").count(additional, 0, "au]")
		whole = p.questions(m, questions)
	}
	if !whole {
		p.text(" ")
		p.cut("domain")
		return
	}
	p.text(" (").int(int64(m.length)).text(")")
}

func (p *Printer) mark(set bool, s string) *Printer {
	if set {
		p.text(s)
	}
	return p
}

// count prints how many records there are where there are usually n.
func (p *Printer) count(count, n int, unit string) *Printer {
	if count != n {
		p.text(" [").int(int64(count)).text(unit)
	}
	return p
}

func (p *Printer) result(code int) {
	if code < len(dnsResults) {
		p.text(dnsResults[code])
		return
	}
	p.text(" Resp").int(int64(code))
}

// extendedResult is the upper part of the result, which an OPT record has, RFC 6891.
func (m *dnsMessage) extendedResult() int {
	rest := *m
	if !rest.skipQuestions(rest.uint16At(4)) {
		return 0
	}
	// An OPT record is among the additional ones, and in what is sent the answers
	// before it are few.
	for n := min(rest.uint16At(6)+rest.uint16At(8)+rest.uint16At(10), 64); n > 0; n-- {
		r, ok := rest.record()
		if !ok {
			return 0
		}
		if r.kind == layers.DNSTypeOPT {
			return int(r.ttl >> 24 << 4)
		}
	}
	return 0
}

func (m *dnsMessage) skipQuestions(n int) bool {
	for range n {
		if !m.skipName() || m.at+4 > len(m.data) {
			return false
		}
		m.at += 4
	}
	return true
}

// skipName goes behind a name.
func (m *dnsMessage) skipName() bool {
	for m.at < len(m.data) {
		n := int(m.data[m.at])
		switch n >> 6 {
		case 3:
			m.at += 2
			return m.at <= len(m.data)
		case 0:
			m.at += 1 + n
			if n == 0 {
				return true
			}
		default:
			return false
		}
	}
	return false
}

// name prints a name, the one before at, which goes behind it.
func (p *Printer) name(m *dnsMessage) bool {
	if m.at < len(m.data) && m.data[m.at] == 0 {
		p.text(".")
	}
	ok := p.labels(m.data, m.at)
	return m.skipName() && ok
}

// labels prints the name at an offset. A pointer leads back, or nowhere, and a name
// has 255 bytes at most, RFC 1035 section 3.1.
func (p *Printer) labels(b []byte, at int) bool {
	left := maxText
	limit := at // pointers lead before what was read last
	for at < len(b) {
		n := int(b[at])
		switch n >> 6 {
		case 3:
			if at+2 > len(b) {
				return false
			}
			to := int(binary.BigEndian.Uint16(b[at:])) & 0x3fff
			if to >= limit {
				p.text("<BAD PTR>")
				return false
			}
			at, limit = to, to
			continue
		case 0:
			if n == 0 {
				return true
			}
			left -= n + 1
			if left < 0 {
				p.text("…")
				return true
			}
			if at+1+n > len(b) {
				return false
			}
			p.bytes(b[at+1 : at+1+n]).text(".")
			at += 1 + n
		default:
			return false
		}
	}
	return false
}

// questions prints the question section.
func (p *Printer) questions(m *dnsMessage, n int) bool {
	start := len(p.out)
	for range n {
		if len(p.out)-start > maxDNSOutput {
			p.text(" …")
			return true
		}
		name := m.at
		if !m.skipName() || m.at+4 > len(m.data) {
			return false
		}
		class := m.uint16At(m.at + 2)
		p.text(" ").recordType(m.uint16At(m.at))
		if m.multicast {
			p.class(class&^mdnsUnicast).mark(class&mdnsUnicast != 0, " (QU)").mark(class&mdnsUnicast == 0, " (QM)")
		} else {
			p.class(class)
		}
		p.text("? ")
		end := m.at + 4
		m.at = name
		if !p.name(m) {
			return false
		}
		m.at = end
	}
	return true
}

// mdnsUnicast, in a question, asks for an answer by unicast; in an answer it says that
// caches be flushed.
const mdnsUnicast = 1 << 15

func (p *Printer) class(n int) *Printer {
	switch n {
	case 1:
		return p
	case 3:
		return p.text(" CHAOS")
	case 4:
		return p.text(" HS")
	case 255:
		return p.text(" ANY")
	}
	return p.text(" (Class ").int(int64(n)).text(")")
}

// A dnsRecord is a resource record, RFC 1035 section 4.1.3.
type dnsRecord struct {
	kind  layers.DNSType
	class int
	ttl   uint32
	data  int // where the data begin
	size  int
}

// record reads a resource record and goes behind it.
func (m *dnsMessage) record() (r dnsRecord, ok bool) {
	const fixed = 10
	if !m.skipName() || m.at+fixed > len(m.data) {
		return r, false
	}
	r.kind = layers.DNSType(m.uint16At(m.at))
	r.class = m.uint16At(m.at + 2)
	r.ttl = binary.BigEndian.Uint32(m.data[m.at+4:])
	r.size = m.uint16At(m.at + 8)
	r.data = m.at + fixed
	m.at = r.data + r.size
	return r, true
}

func (p *Printer) answers(m *dnsMessage, n, authorities, additional int) bool {
	p.text(" ").int(int64(n)).text("/").int(int64(authorities)).text("/").int(int64(additional))
	start := len(p.out)
	for i := range n {
		if i > 0 {
			p.text(",")
		}
		if len(p.out)-start > maxDNSOutput {
			p.text(" …")
			return true
		}
		r, ok := m.record()
		if !ok {
			return false
		}
		flush := m.multicast && r.class&mdnsUnicast != 0
		if m.multicast {
			r.class &^= mdnsUnicast
		}
		if r.kind != layers.DNSTypeOPT {
			p.class(r.class)
		}
		p.mark(flush, " (Cache flush)")
		p.text(" ").recordType(int(r.kind))
		if m.at > len(m.data) || !p.recordData(m, &r) {
			return false
		}
	}
	return true
}

// recordData prints what tcpdump prints of a record, of many types nothing.
func (p *Printer) recordData(m *dnsMessage, r *dnsRecord) bool {
	named := *m
	named.at = r.data
	data := m.data[r.data : r.data+r.size]
	switch r.kind {
	case layers.DNSTypeA:
		if r.size != 4 {
			return false
		}
		p.text(" ").addrBytes(data)
	case layers.DNSTypeAAAA:
		if r.size != 16 {
			return false
		}
		p.text(" ").addrBytes(data)
	case layers.DNSTypeNS, layers.DNSTypeCNAME, layers.DNSTypePTR, dnsTypeDNAME:
		return p.text(" ").name(&named)
	case layers.DNSTypeMX:
		if r.size < 2 {
			return false
		}
		named.at += 2
		if !p.text(" ").name(&named) {
			return false
		}
		p.text(" ").int(int64(m.uint16At(r.data)))
	case layers.DNSTypeSRV:
		if r.size < 6 {
			return false
		}
		named.at += 6
		if !p.text(" ").name(&named) {
			return false
		}
		p.text(":").int(int64(m.uint16At(r.data + 4))).
			text(" ").int(int64(m.uint16At(r.data))).text(" ").int(int64(m.uint16At(r.data + 2)))
	case layers.DNSTypeTXT:
		p.strings(data)
	case layers.DNSTypeURI:
		if r.size < 4 {
			return false
		}
		p.text(" ").int(int64(m.uint16At(r.data))).text(" ").int(int64(m.uint16At(r.data + 2))).
			text(" ").clipped(data[4:])
	case layers.DNSTypeOPT:
		p.text(" UDPsize=").int(int64(r.class)).mark(r.ttl&(1<<15) != 0, " DO")
	}
	return true
}

// strings prints character strings, RFC 1035 section 3.3.
func (p *Printer) strings(b []byte) {
	start := len(p.out)
	for len(b) > 0 {
		n := min(int(b[0])+1, len(b))
		p.text(` "`).bytes(b[1:n]).text(`"`)
		b = b[n:]
		if len(p.out)-start > maxDNSOutput && len(b) > 0 {
			p.text(" …")
			return
		}
	}
}

const dnsTypeDNAME layers.DNSType = 39

// recordType prints the name of a type, of the IANA registry.
func (p *Printer) recordType(n int) *Printer {
	switch n {
	case 249:
		return p.text("TKEY")
	case 250:
		return p.text("TSIG")
	case 251:
		return p.text("IXFR")
	case 252:
		return p.text("AXFR")
	case 253:
		return p.text("MAILB")
	case 254:
		return p.text("MAILA")
	case 255:
		return p.text("ANY")
	case 256:
		return p.text("URI")
	case 257:
		return p.text("CAA")
	}
	return p.lookup(recordTypes[:], n, "Type")
}

var recordTypes = [...]string{
	1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL",
	11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB",
	19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP", 23: "NSAP_PTR", 24: "SIG", 25: "KEY", 26: "PX",
	27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID", 32: "NIMLOC", 33: "SRV", 34: "ATMA",
	35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 40: "SINK", 41: "OPT", 42: "APL",
	43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID",
	50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS", 60: "CDNSKEY",
	61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 100: "UINFO",
	101: "UID", 102: "GID", 103: "UNSPEC", 104: "UNSPECA",
}
