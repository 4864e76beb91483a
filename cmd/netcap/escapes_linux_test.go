package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/fileset"
	"netcap/internal/holds"
	"netcap/internal/ledger"
	"netcap/pcapfile"
)

// escape is what a hostile peer sends where text is expected: it names the window, and
// turns colours and direction of what follows, by characters of C0, DEL, C1 in UTF-8 and as
// a byte, and of the bidirectional algorithm. place tells where it was planted.
func escape(place string) string { return "\x1b]0;" + place + "\x07\x7f\u009b2J\u202e\x9b" }

// plantings collects where escapes were planted.
type plantings []string

func (p *plantings) escape(place string) string {
	*p = append(*p, place)
	return escape(place)
}

// conversation builds packets of Ethernet between two hosts.
type conversation struct {
	packets [][]byte
	sent    [2]uint32
	ports   [2]uint16
}

// ipv4 sends what side 0 or 1 sends over IPv4.
func (c *conversation) ipv4(side int, protocol byte, b []byte) {
	frame := append(make([]byte, 12), 8, 0, 0x45, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(20+len(b)))
	frame = append(frame, 0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, byte(side+1), 10, 0, 0, byte(2-side))
	c.packets = append(c.packets, append(frame, b...))
}

func (c *conversation) udp(port uint16, payload string) {
	b := binary.BigEndian.AppendUint16(nil, 40000)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	c.ipv4(0, 17, append(append(b, 0, 0), payload...))
}

// connect opens a TCP connection.
func (c *conversation) connect(port uint16) {
	c.ports, c.sent = [2]uint16{c.ports[0] + 1, port}, [2]uint32{1000, 2000}
	for side, flags := range []byte{2, 0x12} {
		c.tcp(side, flags, "")
		c.sent[side]++
	}
	c.tcp(0, 0x10, "")
}

func (c *conversation) tcp(side int, flags byte, payload string) {
	b := binary.BigEndian.AppendUint16(nil, c.ports[side])
	b = binary.BigEndian.AppendUint16(b, c.ports[1-side])
	b = binary.BigEndian.AppendUint32(b, c.sent[side])
	b = binary.BigEndian.AppendUint32(b, c.sent[1-side])
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	c.ipv4(side, 6, append(b, payload...))
	c.sent[side] += uint32(len(payload))
}

func (c *conversation) say(side int, payload string) { c.tcp(side, 0x18, payload) }

// lan sends a frame with an Ethernet type, or with a length and an LLC header.
func (c *conversation) lan(destination string, payload string) {
	c.packets = append(c.packets, []byte(destination+"\x02\x00\x00\x00\x00\x01"+payload))
}

// with puts the length of text before it, as a number of so many bytes.
func with(size int, text string) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(len(text)))
	return string(b[8-size:]) + text
}

// protocols has each protocol that is printed say something hostile. What isn't planted by
// way of p netcap reads over, and prints in dumps only.
func (c *conversation) protocols(p *plantings) {
	name := func(place string) string { return with(1, p.escape(place)) + "\x03com\x00" }
	c.udp(53, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"+name("dns")+"\x00\x01\x00\x01")
	c.udp(53, "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"+with(1, escape("dns answered"))+"\x03com\x00"+"\x00\x10\x00\x01\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x00"+with(2, with(1, p.escape("dns txt"))))
	c.udp(5353, "\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00"+name("mdns")+"\x00\x0c\x00\x01\x00\x00\x00\x00"+with(2, name("mdns ptr")))
	bootp := "\x01\x01\x06\x00" + strings.Repeat("\x00", 40)
	c.udp(67, bootp+fmt.Sprintf("%-64s", escape("bootp server"))[:64]+escape("bootp file")+strings.Repeat("\x00", 128-len(escape("bootp file")))+
		"\x63\x82\x53\x63\x35\x01\x01"+"\x0c"+with(1, escape("dhcp host"))+"\x3c"+with(1, escape("dhcp class"))+"\x0f"+with(1, escape("dhcp domain"))+"\x38"+with(1, escape("dhcp message"))+"\xff")
	c.udp(69, "\x00\x01"+p.escape("tftp file")+"\x00octet\x00")
	c.udp(69, "\x00\x05\x00\x01"+escape("tftp error")+"\x00")
	community := with(1, escape("snmp community"))
	c.udp(161, "\x30"+with(1, "\x02\x01\x01\x04"+community+"\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"))
	c.udp(514, "<13>Oct 11 22:14:15 host "+escape("syslog"))
	c.udp(5060, "INVITE "+p.escape("sip")+" SIP/2.0\r\nTo: "+escape("sip to")+"\r\n\r\n")
	c.udp(1812, "\x01\x01"+with(2, strings.Repeat("\x00", 18)+"\x01\x20"+fmt.Sprintf("%-30s", escape("radius")))[2:])

	for port, payload := range map[uint16]string{
		80:   "GET /" + p.escape("http") + " HTTP/1.1\r\nHost: " + escape("host") + "\r\n\r\n",
		22:   "SSH-2.0-" + p.escape("ssh") + "\r\n",
		25:   "EHLO " + escape("smtp") + "\r\n",
		2575: "\x0bMSH|^~\\&|" + escape("hl7 application") + "|" + escape("hl7 facility") + "|B|C|20260101||ADT^A01|" + escape("hl7 id") + "|P|2.3\r\x1c\r",
	} {
		c.connect(port)
		c.say(0, payload)
	}
	c.connect(8080)
	c.say(1, "HTTP/1.1 500 "+p.escape("http reason")+"\r\n\r\n")
	sni := "\x00\x00" + with(2, with(2, "\x00"+with(2, p.escape("tls sni"))))
	alpn := "\x00\x10" + with(2, with(2, with(1, p.escape("tls alpn"))))
	hello := "\x03\x03" + strings.Repeat("\x00", 32) + "\x00" + with(2, "\x13\x01") + "\x01\x00" + with(2, sni+alpn)
	for _, port := range []uint16{443, 11112} {
		c.connect(port)
		c.say(0, "\x16\x03\x01"+with(2, "\x01"+with(3, hello)))
		c.say(1, "\x15\x03\x03\x00\x02\x02\x28")
	}

	tlv := func(kind int, value string) string {
		return string(binary.BigEndian.AppendUint16(nil, uint16(kind<<9|len(value)))) + value
	}
	c.lan("\x01\x80\xc2\x00\x00\x0e", "\x88\xcc"+tlv(1, "\x07"+escape("lldp chassis"))+tlv(2, "\x05"+escape("lldp port"))+tlv(3, "\x00\x78")+
		tlv(4, escape("lldp description"))+tlv(5, p.escape("lldp system"))+tlv(6, escape("lldp system text"))+tlv(0, ""))
	cdp := func(kind string, value string) string {
		return kind + string(binary.BigEndian.AppendUint16(nil, uint16(4+len(value)))) + value
	}
	c.lan("\x01\x00\x0c\xcc\xcc\xcc", with(2, "\xaa\xaa\x03\x00\x00\x0c\x20\x00\x02\xb4\x00\x00"+
		cdp("\x00\x01", p.escape("cdp device"))+cdp("\x00\x03", escape("cdp port"))+cdp("\x00\x05", escape("cdp version"))+cdp("\x00\x06", escape("cdp platform"))))
	c.lan("\xff\xff\xff\xff\xff\xff", "\x88\x63\x11\x09\x00\x00"+with(2, "\x01\x01"+with(2, p.escape("pppoe service"))+"\x01\x02"+with(2, p.escape("pppoe concentrator"))))
}

// dicom has applications associate, refuse, fail and abort, under hostile names.
func (c *conversation) dicom(p *plantings) {
	pdu := func(kind byte, body string) string { return string([]byte{kind, 0}) + with(4, body) }
	item := func(kind byte, body string) string { return string([]byte{kind, 0}) + with(2, body) }
	title := func(place string) string { return fmt.Sprintf("%-16s", "\x1b]0;"+place+"\x07\u009b\u202e\x9b")[:16] }
	*p = append(*p, "ae1", "ae2", "impl")
	syntax := p.escape("abstract syntax")
	associate := func(kind byte, contexts string) string {
		user := item(0x50, item(0x51, "\x00\x00\x40\x00")+item(0x52, p.escape("implementation class"))+item(0x55, title("impl")))
		return pdu(kind, "\x00\x01\x00\x00"+title("ae1")+title("ae2")+strings.Repeat("\x00", 32)+item(0x10, "1.2.840.10008.3.1.1.1")+contexts+user)
	}
	transfer := p.escape("transfer syntax")
	proposed := item(0x20, "\x01\x00\x00\x00"+item(0x30, syntax)+item(0x40, transfer)) +
		item(0x20, "\x03\x00\x00\x00"+item(0x30, syntax)+item(0x40, transfer)) + item(0x20, "\x05\x00\x00\x00"+item(0x30, "1.2.840.10008.1.1")+item(0x40, transfer))
	answered := item(0x21, "\x01\x00\x00\x00"+item(0x40, transfer)) + item(0x21, "\x03\x00\x03\x00"+item(0x40, "")) + item(0x21, "\x05\x00\x04\x00"+item(0x40, ""))
	element := func(number uint16, value string) string {
		if len(value)%2 == 1 {
			value += "\x00"
		}
		b := binary.LittleEndian.AppendUint16([]byte{0, 0}, number)
		return string(binary.LittleEndian.AppendUint32(b, uint32(len(value)))) + value
	}
	u16 := func(n uint16) string { return string(binary.LittleEndian.AppendUint16(nil, n)) }
	dimse := func(elements string) string {
		elements = element(0, string(binary.LittleEndian.AppendUint32(nil, uint32(len(elements))))) + elements
		return pdu(4, with(4, "\x01\x03"+elements))
	}
	data := pdu(4, with(4, "\x01\x02"+strings.Repeat("x", 100)))
	class, instance := element(2, p.escape("sop class")), element(0x1000, p.escape("sop instance"))

	c.connect(104)
	c.say(0, associate(1, proposed))
	c.say(1, associate(2, answered))
	for n := range uint16(3) {
		c.say(0, dimse(class+element(0x100, u16(1))+element(0x110, u16(n))+element(0x700, u16(0))+element(0x800, u16(0))+instance)+data)
		c.say(1, dimse(class+element(0x100, u16(0x8001))+element(0x120, u16(n))+element(0x800, u16(0x101))+element(0x900, u16(0xa700))+
			element(0x902, p.escape("error comment"))+instance))
	}
	c.say(0, dimse(class+element(0x100, u16(0x21))+element(0x110, u16(9))+element(0x600, title("mov"))+element(0x800, u16(0)))+data)
	*p = append(*p, "mov")
	c.say(1, dimse(class+element(0x100, u16(0x8021))+element(0x120, u16(9))+element(0x800, u16(0x101))+element(0x900, u16(0xa801))))
	c.say(0, pdu(7, "\x00\x00\x02\x06"))

	for range 3 {
		c.connect(104)
		c.say(0, associate(1, proposed))
		c.say(1, pdu(3, "\x00\x01\x01\x07"))
	}
}

// hostileCapture is a pcapng file in which all words are hostile.
func hostileCapture(t testing.TB, p *plantings) []byte {
	c := &conversation{ports: [2]uint16{50000}}
	c.protocols(p)
	c.dicom(p)
	b := pcapfile.AppendSection(nil, &pcapfile.Section{
		Hardware: p.escape("section hardware"), OS: p.escape("section os"), Application: p.escape("application"), Comments: []string{p.escape("section comment")},
	})
	for n := range 2 {
		b = pcapfile.AppendInterface(b, &pcapfile.Interface{
			LinkType: pcapfile.LinkTypeEthernet, Name: p.escape(fmt.Sprint("interface ", n)), Description: escape("description"), Filter: p.escape("filter"),
			Hardware: escape("card"), OS: escape("system"), Comments: []string{escape("interface comment")},
		})
	}
	addr := netip.MustParseAddr("10.0.0.1")
	b = pcapfile.AppendNames(b, []pcapfile.Name{{Addr: addr, Names: []string{p.escape("name"), escape("another")}}})
	for n, packet := range c.packets {
		at := testStart.Add(time.Duration(n) * time.Millisecond).UnixNano()
		b = pcapfile.AppendPacketOptions(b, uint32(n%2), at, packet, uint32(len(packet)), 0, pcapfile.Count(1), []string{escape("packet comment")})
	}
	gap := ledger.Comment(ledger.Gap{
		From: testStart, To: testStart.Add(time.Second), Cause: ledger.Cause(p.escape("gap cause")), Lost: 7, Known: true,
		Interface: p.escape("gap interface"), File: escape("gap file"),
	})
	b = pcapfile.AppendCustom(b, 1, []byte(escape("custom")), true)
	return pcapfile.AppendStatistics(b, 0, testStart.UnixNano(), &pcapfile.Statistics{
		Start: testStart.UnixNano(), End: testStart.Add(time.Minute).UnixNano(), DroppedByOS: pcapfile.Count(7), Comments: []string{gap, escape("statistics comment")},
	})
}

// TestEscapes plants what a terminal acts on wherever text comes from others, and finds
// each in what is printed, but never as it is.
func TestEscapes(t *testing.T) {
	var planted plantings
	dir := filepath.Join(t.TempDir(), planted.escape("directory"))
	require.NoError(t, os.Mkdir(dir, 0o700))
	content := hostileCapture(t, &planted)
	whole := writeTestFile(t, filepath.Join(dir, planted.escape("file")), content)
	torn := writeTestFile(t, filepath.Join(dir, planted.escape("torn")), content[:len(content)-7])
	other := writeTestFile(t, filepath.Join(dir, planted.escape("no capture")), []byte(escape("content")))
	missing := filepath.Join(dir, planted.escape("missing"))
	out := filepath.Join(dir, planted.escape("written"))
	set := filepath.Join(dir, "set")
	require.NoError(t, os.Mkdir(set, 0o700))
	writeTestFile(t, filepath.Join(set, "x-20261123T130405Z-000001.pcapng"), content)
	writeTestFile(t, filepath.Join(set, "x-20261123T130505Z-000002.pcapng"), content[:len(content)-7])
	writeTestFile(t, filepath.Join(set, escape("stranger")+"-20261123T130505Z-000002.pcapng"), content)
	_, err := holds.Add(set, "x", holds.Hold{From: testStart, To: testStart.Add(time.Hour), Reason: planted.escape("reason"), By: planted.escape("by"), Made: testStart})
	require.NoError(t, err)
	unledgered := copySet(t, set, filepath.Join(dir, "unledgered"))
	l, err := ledger.Open(&ledger.Config{Dir: set, Name: "x"})
	require.NoError(t, err)
	l.Enter(ledger.Gap{From: testStart, To: testStart.Add(time.Second), Cause: ledger.Cause(planted.escape("entered cause")), Interface: planted.escape("entered interface"), File: escape("entered file"), Because: planted.escape("entered reason")})
	require.NoError(t, l.Close())
	damaged := copySet(t, set, filepath.Join(dir, "damaged"))
	writeTestFile(t, filepath.Join(damaged, "x.holds"), []byte(escape("holds")))
	writeTestFile(t, filepath.Join(damaged, fileset.Ledger("x")), []byte(escape("ledger")))

	var all strings.Builder
	for _, args := range [][]string{
		{"read", whole},
		{"read", "-nevvv", whole},
		{"read", "-qe", whole},
		{"read", "-#vX", whole},
		{"read", "-AA", whole},
		{"read", "-xx", whole},
		{"read", "--json", whole},
		{"read", "-v", torn},
		{"read", torn, other, whole},
		{"read", other},
		{"read", whole, torn, "-w", out},
		{"read", whole, "-w", out},
		{"info", "--top", whole},
		{"info", "--json", "--top", whole},
		{"info", torn, other, missing, whole},
		{"info", dir},
		{"extract", whole, torn, "-w", out + ".pcap"},
		{"extract", "--scrub", "dicom", whole, "-w", out + ".scrubbed"},
		{"dicom", whole},
		{"dicom", "--ops", whole},
		{"dicom", "--problems", whole, torn},
		{"dicom", "--json", whole},
		{"dicom", other},
		{"list", set},
		{"list", "--json", set},
		{"list", dir},
		{"list", missing + "/"},
		{"gaps", set},
		{"gaps", "--json", set},
		{"gaps", unledgered},
		{"gaps", "--json", unledgered},
		{"gaps", dir},
		{"hold", set},
		{"hold", "--json", set},
		{"hold", damaged},
		{"gaps", damaged},
		{"list", damaged},
		{"extract", damaged, "--from", "20000h", "-w", out + ".damaged"},
		{"hold", set, "--from", "1h", "--reason", escape("why")},
		{"release", set, "1"},
		{"release", missing + "/", "1"},
		{"repair", whole, torn, other, missing},
		{"repair", missing},
	} {
		o := runHostile(t, args...)
		what := strings.Join(args[:2], " ")
		nothingRaw(t, o.stdout, what)
		nothingRaw(t, o.stderr, what)
		all.WriteString(o.stdout + o.stderr)
	}
	// Words of the command line, which somebody may have been made to paste.
	for _, args := range [][]string{
		{"read", whole, escape("filter")},
		{"read", "--from", escape("time"), whole},
		{"read", "--" + escape("flag"), whole},
		{"read", "-w", whole, "--format", escape("format"), torn},
		{"read", "-F", missing, whole},
		{"read", "-dy", escape("type"), whole},
		{"read", "--color", escape("color"), whole},
		{"dicom", "--host", escape("host"), whole},
		{"dicom", "--port", escape("port"), whole},
		{escape("command")},
		{"release", set, escape("id")},
		{"extract", escape("extract"), "-w", out + ".x"},
		{"extract", "--scrub", escape("what"), whole, "-w", out + ".x"},
		{"status", escape("status")},
		{"list", escape("set")},
		{"gaps", escape("set")},
		{"hold", escape("set")},
	} {
		stdout, stderr := runAnyStatus(t, args...)
		nothingRaw(t, stdout, args[0])
		nothingRaw(t, stderr, args[0])
	}
	for _, place := range slices.Compact(slices.Sorted(slices.Values(planted))) {
		// As Go or as JSON writes it, and not in a dump of all bytes.
		assert.Regexp(t, `\\(x|u00)1b\]0;`+regexp.QuoteMeta(place), all.String(), "what was planted there is nowhere printed, so this test says nothing of it")
	}
}

// copySet copies the files of a directory. os.CopyFS takes no names that aren't UTF-8.
func copySet(t testing.TB, from, to string) string {
	t.Helper()
	require.NoError(t, os.Mkdir(to, 0o700))
	entries, err := os.ReadDir(from)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		require.NoError(t, err)
		writeTestFile(t, filepath.Join(to, e.Name()), b)
	}
	return to
}
