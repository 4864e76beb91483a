package report_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/report"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// scene makes a capture of connections, and knows of each packet what it belongs to.
type scene struct {
	b    []byte
	snap int
	n    int64
	want map[string]report.Amount
	wrap func([]byte, bool) []byte // a datagram of IP, of version 6 if true, into a frame
}

func newScene() *scene {
	b := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 0, true)
	return &scene{b: b, snap: 1 << 18, want: make(map[string]report.Amount), wrap: ether}
}

func (s *scene) frame(protocol string, frame []byte) {
	s.n++
	s.b = pcapfile.AppendRecord(s.b, start.UnixNano()+s.n*1000, frame[:min(len(frame), s.snap)], uint32(len(frame)), true)
	a := s.want[protocol]
	s.want[protocol] = report.Amount{Packets: a.Packets + 1, Bytes: a.Bytes + uint64(len(frame))}
}

func ether(datagram []byte, six bool) []byte {
	t := uint16(0x0800)
	if six {
		t = 0x86dd
	}
	return append(binary.BigEndian.AppendUint16([]byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"), t), datagram...)
}

func vlan(datagram []byte, six bool) []byte {
	f := ether(datagram, six)
	return append(append(bytes.Clone(f[:12]), 0x81, 0, 0, 7), f[12:]...)
}

// Datagrams of IP, RFC 791 and RFC 8200.
func ip4(src, dst string, protocol byte, id, fragment uint16, payload []byte) []byte {
	b := []byte{0x45, 0, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, fragment)
	b = append(b, 64, protocol, 0, 0)
	b = append(append(b, netip.MustParseAddr(src).AsSlice()...), netip.MustParseAddr(dst).AsSlice()...)
	return append(b, payload...)
}

func ip6(src, dst string, next byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(payload)))
	b = append(b, next, 64)
	b = append(append(b, netip.MustParseAddr(src).AsSlice()...), netip.MustParseAddr(dst).AsSlice()...)
	return append(b, payload...)
}

func udp(src, dst uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, src), dst)
	return append(append(binary.BigEndian.AppendUint16(b, uint16(8+len(payload))), 0, 0), payload...)
}

// In which packets of IP travel.
var wraps = map[string]func([]byte, bool) []byte{
	"Ethernet": ether,
	"VLAN":     vlan,
	"VXLAN": func(b []byte, six bool) []byte {
		return ether(ip4("192.0.2.1", "192.0.2.2", 17, 0, 0, udp(50000, 4789, append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, ether(b, six)...))), false)
	},
	"GRE": func(b []byte, six bool) []byte {
		t := ether(nil, six)[12:]
		return ether(ip4("192.0.2.1", "192.0.2.2", 47, 0, 0, append([]byte{0, 0, t[0], t[1]}, b...)), false)
	},
	"IP in IP": func(b []byte, six bool) []byte {
		next := byte(4)
		if six {
			next = 41
		}
		return ether(ip4("192.0.2.1", "192.0.2.2", next, 0, 0, b), false)
	},
}

// connection is one of TCP between two hosts.
type connection struct {
	s            *scene
	protocol     string
	six, options bool
	ports        [2]uint16
	seq          [2]uint32
}

// send sends a segment in one of the directions.
func (c *connection) send(direction int, flags byte, payload []byte) {
	b := binary.BigEndian.AppendUint16(nil, c.ports[direction])
	b = binary.BigEndian.AppendUint16(b, c.ports[1-direction])
	b = binary.BigEndian.AppendUint32(b, c.seq[direction])
	b = binary.BigEndian.AppendUint32(b, c.seq[1-direction])
	b = append(append(b, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0), payload...)
	if c.seq[direction] += uint32(len(payload)); flags&3 != 0 {
		c.seq[direction]++
	}
	hosts := [2]string{"10.0.0.1", "10.0.0.2"}
	if c.six {
		hosts = [2]string{"fd00::1", "fd00::2"}
	}
	var d []byte
	switch {
	case c.six && c.options: // destination options, of padding
		d = ip6(hosts[direction], hosts[1-direction], 60, append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, b...))
	case c.six:
		d = ip6(hosts[direction], hosts[1-direction], 6, b)
	default:
		d = ip4(hosts[direction], hosts[1-direction], 6, uint16(c.s.n), 0, b)
	}
	c.s.frame(c.protocol, c.s.wrap(d, c.six))
}

func (c *connection) shake() {
	c.send(0, 2, nil)
	c.send(1, 0x12, nil)
	c.send(0, 0x10, nil)
}

// talk is the beginning of what is said, much that goes on with it, and an end.
func (c *connection) talk(r *rand.Rand, begin []byte) {
	c.send(0, 0x18, begin)
	for range 3 {
		c.send(0, 0x10, noise(r, 1000))
		c.send(1, 0x10, nil)
		c.send(1, 0x18, noise(r, 100))
	}
	again := c.seq[0]
	c.seq[0] -= 500
	c.send(0, 0x10, noise(r, 500)) // sent again
	c.seq[0] = again
	c.send(0, 0x11, nil)
	c.send(1, 0x11, nil)
	c.send(0, 0x10, nil)
}

// noise are bytes that no protocol begins with.
func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32()) | 0x80
	}
	return b
}

// begins are what protocols begin with: PS3.8 section 9.3.2, RFC 9112, RFC 8446, RFC 4253, MLLP.
func begins() map[string][]byte {
	request := append([]byte{0, 1, 0, 0}, fmt.Sprintf("%-16s%-16s", "CALLED", "CALLING")...)
	request = append(request, make([]byte, 32)...)
	request = append(request, "\x10\x00\x00\x151.2.840.10008.3.1.1.1"...)
	request = append(request, "\x20\x00\x00\x2e\x01\x00\x00\x00\x30\x00\x00\x111.2.840.10008.1.1\x40\x00\x00\x111.2.840.10008.1.2"...)
	request = append(request, "\x50\x00\x00\x08\x51\x00\x00\x04\x00\x00\x40\x00"...)
	head := binary.BigEndian.AppendUint32([]byte{1, 0}, uint32(len(request)))
	return map[string][]byte{
		"dicom": append(head, request...),
		"http":  []byte("GET /studies HTTP/1.1\r\nHost: pacs\r\n\r\n"),
		"tls":   append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 505)...),
		"ssh":   []byte("SSH-2.0-OpenSSH_9.2\r\n"),
		"hl7":   []byte("\vMSH|^~\\&|A|B|C|D|20261130||ADT^A01|1|P|2.5\r\x1c\r"),
		"tcp":   []byte("\xff\xfe\xfd nobody knows"),
	}
}

// services are ports that tshark takes for a protocol's where it doesn't look into it.
var services = map[string]uint16{"dicom": 9000, "http": 9001, "tls": 9002, "ssh": 22, "hl7": 2575, "tcp": 9005}

// top is what Info says of a capture.
func top(t testing.TB, b []byte) *report.Top {
	t.Helper()
	info, err := report.Info("-", &report.InfoConfig{Stdin: bytes.NewReader(b), Top: 1 << 20})
	require.NoError(t, err)
	adds(t, info.Top)
	return info.Top
}

// adds holds that the rows of each list are all packets, once.
func adds(t testing.TB, top *report.Top) {
	t.Helper()
	sent, received, protocols := top.NoAddress, top.NoAddress, top.OtherProtocols
	sum := func(to *report.Amount, packets, bytes uint64) {
		to.Packets, to.Bytes = to.Packets+packets, to.Bytes+bytes
	}
	sum(&sent, top.OtherTalkers.Sent.Packets, top.OtherTalkers.Sent.Bytes)
	sum(&received, top.OtherTalkers.Received.Packets, top.OtherTalkers.Received.Bytes)
	for _, talker := range top.Talkers {
		sum(&sent, talker.SentPackets, talker.SentBytes)
		sum(&received, talker.ReceivedPackets, talker.ReceivedBytes)
	}
	for _, p := range top.Protocols {
		sum(&protocols, p.Packets, p.Bytes)
	}
	require.Equal(t, top.Total, sent)
	require.Equal(t, top.Total, received)
	require.Equal(t, top.Total, protocols)
}

func protocols(top *report.Top) map[string]report.Amount {
	m := make(map[string]report.Amount)
	for _, p := range top.Protocols {
		m[p.Name] = p.Amount
	}
	return m
}

// scenes are captures in which each packet is known to belong to something.
func scenes() map[string]*scene {
	all := make(map[string]*scene)
	r := rand.New(rand.NewPCG(1, 1))
	port := uint16(40000)
	for wrap, f := range wraps {
		for _, six := range []bool{false, true} {
			for _, options := range []bool{false, six} {
				s := newScene()
				s.wrap = f
				for protocol, begin := range begins() {
					port++
					c := &connection{s: s, protocol: protocol, six: six, options: options, ports: [2]uint16{port, services[protocol]}, seq: [2]uint32{r.Uint32(), r.Uint32()}}
					c.shake()
					c.talk(r, begin)
				}
				all[fmt.Sprintf("%s, IPv6 %v, options %v", wrap, six, options)] = s
			}
		}
	}

	// The server speaks first, and only then is told what it is.
	s := newScene()
	c := &connection{s: s, protocol: "ssh", ports: [2]uint16{port, 22}}
	c.shake()
	c.send(1, 0x18, begins()["ssh"])
	c.talk(r, noise(r, 50))
	all["the server begins"] = s

	// Ports are used again, for another protocol; a SYN comes twice.
	s = newScene()
	for _, protocol := range []string{"http", "dicom", "tcp"} {
		c := &connection{s: s, protocol: protocol, ports: [2]uint16{40000, 9001}, seq: [2]uint32{r.Uint32(), r.Uint32()}}
		c.send(0, 2, nil)
		c.seq[0]--
		c.shake()
		c.talk(r, begins()[protocol])
	}
	all["ports used again"] = s

	// It began before the capture: what is recognised later is it, else the port tells.
	s = newScene()
	c = &connection{s: s, protocol: "dicom", ports: [2]uint16{40000, 9000}}
	c.send(0, 0x10, noise(r, 1000))
	c.send(1, 0x18, []byte{6, 0, 0, 0, 0, 4, 0, 0, 0, 0})
	c.talk(r, noise(r, 100))
	for service, name := range map[uint16]string{104: "dicom (by port)", 443: "tls (by port)", 9000: "tcp"} {
		c = &connection{s: s, protocol: name, ports: [2]uint16{40001, service}}
		c.talk(r, noise(r, 100))
	}
	c = &connection{s: s, protocol: "tcp", ports: [2]uint16{40002, 104}} // nothing is said
	c.send(0, 0x10, nil)
	c.send(1, 0x14, nil)
	c = &connection{s: s, protocol: "tcp", ports: [2]uint16{40003, 104}} // something else is
	c.shake()
	c.talk(r, noise(r, 100))
	all["from the middle on"] = s

	// The capture cut what would tell.
	s = newScene()
	s.snap = 54
	c = &connection{s: s, protocol: "http (by port)", ports: [2]uint16{40000, 80}}
	c.shake()
	c.talk(r, begins()["http"])
	all["cut by the snap length"] = s

	// Fragments, in any order, those of a datagram whose beginning was lost, and the same
	// identification again.
	s = newScene()
	query := append([]byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1}, make([]byte, 2000)...)
	for _, order := range [][]int{{0, 1, 2}, {2, 0, 1}, {2, 1, 0}, {1, 2}} {
		name := "dns"
		if len(order) == 2 {
			name = "ip"
		}
		whole := udp(40000, 53, query)
		for _, i := range order {
			from, to := i*1000, min(i*1000+1000, len(whole))
			fragment := uint16(from / 8)
			if to < len(whole) {
				fragment |= 0x2000
			}
			id := uint16(7)
			if name == "ip" {
				id = 8
			}
			s.frame(name, ether(ip4("10.0.0.1", "10.0.0.2", 17, id, fragment, whole[from:to]), false))
		}
	}
	// What isn't IP.
	s.frame("arp", append([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x02\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"), make([]byte, 20)...))
	all["fragments"] = s
	return all
}

// TestTopOfScenes holds that every packet counts for what its connection is.
func TestTopOfScenes(t *testing.T) {
	for name, s := range scenes() {
		assert.Equal(t, s.want, protocols(top(t, s.b)), name)
	}
}

// TestTogether cuts captures in pieces, anywhere between two packets: together they are what
// the whole is.
func TestTogether(t *testing.T) {
	contents := make(map[string][]byte)
	for name, s := range scenes() {
		contents[name] = s.b
	}
	for _, name := range []string{"mixed.pcap", "midstream.pcap", "http_on_dicom.pcap", "tls_ok.pcap"} {
		b, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "dicom", name))
		require.NoError(t, err)
		contents[name] = b
	}
	for name, b := range contents {
		whole := top(t, b)
		r, err := pcapfile.NewReader(bytes.NewReader(b))
		require.NoError(t, err)
		var cuts []int64
		for p, err := r.Next(); err == nil; p, err = r.Next() {
			cuts = append(cuts, p.Offset)
		}
		random := rand.New(rand.NewPCG(1, 1))
		for range 30 {
			var together report.Together
			at := int64(pcapfile.FileHeaderSize)
			ends := []int64{cuts[random.IntN(len(cuts))], cuts[random.IntN(len(cuts))], int64(len(b))}
			for _, end := range ends {
				if end = max(end, at); end == at {
					continue
				}
				piece := append(bytes.Clone(b[:pcapfile.FileHeaderSize]), b[at:end]...)
				info, err := report.Info("-", &report.InfoConfig{Stdin: bytes.NewReader(piece), Top: 1 << 20})
				require.NoError(t, err)
				together.Add(info)
				at = end
			}
			require.Equal(t, whole, together.Top(), "%s, %v", name, ends)
		}
	}
}

// known are names that tshark has for protocols, and ours.
var known = map[string]string{
	"dicom": "dicom", "http": "http", "tls": "tls", "ssh": "ssh", "hl7": "hl7", "smb": "smb", "dns": "dns", "quic": "quic", "ntp": "ntp",
	"snmp": "snmp", "dhcp": "dhcp", "nbns": "nbns", "syslog": "syslog",
}

// tsharks are what tshark says of a capture: packets and bytes of connections by protocol, of
// each address what it sent and received, and whether it found something malformed, or knew a
// connection's protocol by no packet of it.
type tsharks struct {
	protocols map[string]report.Amount
	talkers   map[string]report.Traffic
	malformed bool
}

func askTshark(t testing.TB, path string) (s tsharks) {
	t.Helper()
	out, err := exec.Command(testenv.Program(t, "tshark"), "-n", "-r", path, "-T", "fields", "-E", "occurrence=l", "-e", "frame.len",
		"-e", "frame.protocols", "-e", "tcp.stream", "-e", "udp.stream", "-z", "endpoints,ip", "-z", "endpoints,ipv6").Output()
	require.NoError(t, err)
	s = tsharks{make(map[string]report.Amount), make(map[string]report.Traffic), false}
	amounts, named := make(map[string]report.Amount), make(map[string]string)
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			// address packets bytes sent-packets sent-bytes received-packets received-bytes
			f := strings.Fields(line)
			if _, err := netip.ParseAddr(f[0]); len(f) == 7 && err == nil {
				var n [7]uint64
				for i := 1; i < 7; i++ {
					n[i], err = strconv.ParseUint(f[i], 10, 64)
					require.NoError(t, err, line)
				}
				s.talkers[f[0]] = report.Traffic{Sent: report.Amount{Packets: n[3], Bytes: n[4]}, Received: report.Amount{Packets: n[5], Bytes: n[6]}}
			}
			continue
		}
		length, err := strconv.ParseUint(f[0], 10, 64)
		require.NoError(t, err)
		layers := strings.Split(f[1], ":")
		s.malformed = s.malformed || strings.Contains(f[1], "_ws.malformed")
		at := len(layers) - 1
		for at >= 0 && layers[at] != "tcp" && layers[at] != "udp" {
			at--
		}
		if at < 0 {
			continue
		}
		stream := layers[at] + f[2]
		if layers[at] == "udp" {
			stream = "udp" + f[3]
		}
		a := amounts[stream]
		amounts[stream] = report.Amount{Packets: a.Packets + 1, Bytes: a.Bytes + length}
		for _, l := range layers[at+1:] {
			if name := known[l]; name != "" && named[stream] == "" {
				named[stream] = name
			}
		}
	}
	for stream, a := range amounts {
		name := named[stream]
		if name == "" {
			name = stream[:3]
		}
		sum := s.protocols[name]
		s.protocols[name] = report.Amount{Packets: sum.Packets + a.Packets, Bytes: sum.Bytes + a.Bytes}
	}
	return s
}

// unlike is why a protocol has another part of a capture than tshark gives it; "" if it must
// not have.
func unlike(name string, s *tsharks, ours map[string]report.Amount) string {
	switch {
	case s.malformed:
		return "tshark gives up a packet's protocol where it finds it malformed"
	case (name == "dicom" || name == "tcp") && s.protocols["tcp"].Packets > ours["tcp"].Packets:
		return "tshark knows DICOM by the request of an association alone, we by each PDU"
	case ours[name+" (by port)"].Packets > 0 || name == "tcp" && len(byPort(ours)) > 0:
		return "a connection's beginning isn't in the capture: we say that its port tells, tshark says nothing"
	case (name == "ssh" || name == "tcp") && s.protocols["ssh"].Packets > ours["ssh"].Packets && ours["ssh"].Packets > 0:
		return "another subflow of MPTCP has no beginning of its own, and tshark goes by the port"
	}
	return ""
}

func byPort(ours map[string]report.Amount) (names []string) {
	for name := range ours {
		if strings.HasSuffix(name, " (by port)") {
			names = append(names, name)
		}
	}
	return names
}

// TestTopAgainstTshark compares, protocol by protocol and address by address.
func TestTopAgainstTshark(t *testing.T) {
	dir := testenv.Corpus(t)
	var paths []string
	for _, pattern := range []string{"dicom/*.pcap", "dicom2/*.pcap"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for n, path := range found {
			if n%7 == 0 {
				paths = append(paths, path)
			}
		}
	}
	for _, name := range []string{
		"dicom/mixed.pcap", "dicom/http_on_dicom.pcap", "dicom/tls_ok.pcap", "dicom2/vlan.pcap", "dicom2/ipv6.pcap",
		"captures/mptcp-v0.pcap", "captures/print-flags.pcap", "captures/quic_vn.pcap", "captures/smb_data_print-segv.pcap", "captures/dns_tcp.pcap",
	} {
		if path := filepath.Join(dir, name); fileExists(path) {
			paths = append(paths, path)
		}
	}
	scenes := scenes()
	for _, name := range []string{"Ethernet, IPv6 false, options false", "VLAN, IPv6 true, options true", "GRE, IPv6 false, options false", "VXLAN, IPv6 true, options false", "ports used again", "the server begins"} {
		require.Contains(t, scenes, name)
		paths = append(paths, write(t, t.TempDir(), "scene.pcap", scenes[name].b))
	}
	compared := 0
	for _, path := range paths {
		info, err := report.Info(path, &report.InfoConfig{Top: 1 << 20})
		require.NoError(t, err)
		adds(t, info.Top)
		s, ours := askTshark(t, path), protocols(info.Top)
		for _, name := range []string{"tcp", "udp", "dicom", "http", "tls", "ssh", "hl7", "smb", "dns", "quic", "ntp", "snmp", "dhcp"} {
			if ours[name] == s.protocols[name] {
				if ours[name].Packets > 0 {
					compared++
				}
				continue
			}
			if why := unlike(name, &s, ours); why != "" {
				t.Logf("%s: %s: %v, %v by tshark: %s", filepath.Base(path), name, ours[name], s.protocols[name], why)
				continue
			}
			assert.Equal(t, s.protocols[name], ours[name], "%s: %s", path, name)
		}
		for _, talker := range info.Top.Talkers {
			ours := report.Traffic{
				Sent:     report.Amount{Packets: talker.SentPackets, Bytes: talker.SentBytes},
				Received: report.Amount{Packets: talker.ReceivedPackets, Bytes: talker.ReceivedBytes},
			}
			assert.Equal(t, s.talkers[talker.Name], ours, "%s: %s", path, talker.Name)
		}
	}
	t.Logf("%d files, %d protocols are the same", len(paths), compared)
	assert.Greater(t, compared, 40)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
