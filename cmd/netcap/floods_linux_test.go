package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/holds"
	"netcap/pcapfile"
)

// crowd writes a capture of many who want to be remembered.
type crowd struct {
	t     *testing.T
	w     *bufio.Writer
	buf   []byte
	at    int64
	frame []byte
}

// TCP's flags.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
)

// write appends a frame to the capture.
func (c *crowd) write(frame []byte) {
	c.at += 10_000
	c.buf = pcapfile.AppendRecord(c.buf[:0], c.at, frame, uint32(len(frame)), true)
	_, err := c.w.Write(c.buf)
	require.NoError(c.t, err)
}

// ip begins a frame between client n and a server, who are in 10.0.0.0/8 and 192.0.2.0/24.
func (c *crowd) ip(n int, protocol byte, fromServer bool, payload int) {
	f := append(c.frame[:0], make([]byte, 12)...)
	f = append(f, 8, 0, 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(20+payload))
	f = binary.BigEndian.AppendUint16(f, uint16(n))
	f = append(f, 0, 0, 64, protocol, 0, 0)
	client, server := []byte{10, byte(n >> 16), byte(n >> 8), byte(n)}, []byte{192, 0, 2, 1}
	if fromServer {
		client, server = server, client
	}
	c.frame = append(append(f, client...), server...)
}

// tcp writes a segment of a connection from client n to port 104.
func (c *crowd) tcp(n int, fromServer bool, flags byte, seq, ack uint32, payload []byte) {
	c.ip(n, 6, fromServer, 20+len(payload))
	from, to := uint16(1024+n%60000), uint16(104)
	if fromServer {
		from, to = to, from
	}
	f := binary.BigEndian.AppendUint16(c.frame, from)
	f = binary.BigEndian.AppendUint16(f, to)
	f = binary.BigEndian.AppendUint32(f, seq)
	f = binary.BigEndian.AppendUint32(f, ack)
	c.frame = append(append(f, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0), payload...)
	c.write(c.frame)
}

// connect makes the handshake of client n.
func (c *crowd) connect(n int) {
	c.tcp(n, false, tcpSYN, 0, 0, nil)
	c.tcp(n, true, tcpSYN|tcpACK, 0, 1, nil)
	c.tcp(n, false, tcpACK, 1, 1, nil)
}

// item appends an item of an A-ASSOCIATE-RQ (PS3.8, section 9.3.2).
func item(dst []byte, kind byte, content []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, kind, 0), uint16(len(content)))
	return append(dst, content...)
}

// largestRequest is an A-ASSOCIATE-RQ with all contexts that there may be, of n transfer
// syntaxes, whose UIDs are as long as they may be and those of no other request.
func largestRequest(of, n int) []byte {
	uid := func(i int) []byte { return fmt.Appendf(nil, "1.2.840.%d.%056d", of, i)[:64] }
	b := append([]byte{0, 1, 0, 0}, fmt.Sprintf("%-16d%-16d", of, of)...)
	b = append(b, make([]byte, 32)...)
	b = item(b, 0x10, []byte("1.2.840.10008.3.1.1.1"))
	for i := range 128 {
		c := item([]byte{byte(2*i + 1), 0, 0, 0}, 0x30, uid(1000*i))
		for j := range n {
			c = item(c, 0x40, uid(1000*i+j+1))
		}
		b = item(b, 0x20, c)
	}
	b = item(b, 0x50, item(nil, 0x51, []byte{0, 0, 0x40, 0}))
	return append(binary.BigEndian.AppendUint32([]byte{1, 0}, uint32(len(b))), b...)
}

// echo is a C-ECHO-RQ with its message ID (PS3.7, section 9.3.5).
func echo(id uint16) []byte {
	element := func(dst []byte, number uint16, value []byte) []byte {
		dst = binary.LittleEndian.AppendUint16(append(dst, 0, 0), number)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(value)))
		return append(dst, value...)
	}
	set := element(nil, 0x0002, []byte("1.2.840.10008.1.1\x00"))
	set = element(set, 0x0100, []byte{0x30, 0})
	set = element(set, 0x0110, binary.LittleEndian.AppendUint16(nil, id))
	set = element(set, 0x0800, []byte{1, 1})
	set = append(element(nil, 0, binary.LittleEndian.AppendUint32(nil, uint32(len(set)))), set...)
	pdv := append(binary.BigEndian.AppendUint32(nil, uint32(len(set)+2)), 1, 3)
	pdv = append(pdv, set...)
	return append(binary.BigEndian.AppendUint32([]byte{4, 0}, uint32(len(pdv))), pdv...)
}

var firstRequest = largestRequest(0, 1)

// crowds are what would be remembered without end.
var crowds = []struct {
	name string
	n    int
	each func(c *crowd, n int)
}{
	{"SYNs", 300_000, func(c *crowd, n int) { c.tcp(n, false, tcpSYN, 0, 0, nil) }},
	{"answered SYNs", 150_000, func(c *crowd, n int) {
		c.tcp(n, false, tcpSYN, 0, 0, nil)
		c.tcp(n, true, tcpSYN|tcpACK, 0, 1, nil)
	}},
	{"refused SYNs", 150_000, func(c *crowd, n int) {
		c.tcp(n, false, tcpSYN, 0, 0, nil)
		c.tcp(n, true, tcpRST|tcpACK, 0, 1, nil)
	}},
	{"a byte each", 100_000, func(c *crowd, n int) {
		c.connect(n)
		c.tcp(n, false, tcpPSH|tcpACK, 1, 1, []byte{1})
	}},
	{"FINs", 100_000, func(c *crowd, n int) {
		c.connect(n)
		c.tcp(n, false, tcpFIN|tcpACK, 1, 1, nil)
	}},
	{"whole connections", 100_000, func(c *crowd, n int) {
		c.connect(n)
		c.tcp(n, false, tcpFIN|tcpACK, 1, 1, nil)
		c.tcp(n, true, tcpFIN|tcpACK, 1, 2, nil)
		c.tcp(n, false, tcpACK, 2, 2, nil)
	}},
	{"stray FINs", 150_000, func(c *crowd, n int) { c.tcp(n, false, tcpFIN|tcpACK, 1, 1, nil) }},
	{"holes", 60_000, func(c *crowd, n int) {
		c.connect(n)
		c.tcp(n, false, tcpACK, 1000, 1, make([]byte, 1000))
		c.tcp(n, false, tcpACK, 3000, 1, []byte{1})
	}},
	{"holes of one connection", 200_000, func(c *crowd, n int) {
		if n == 0 {
			c.connect(n)
		}
		c.tcp(0, false, tcpACK, uint32(2*(n+1)), 1, []byte{1})
	}},
	{"fragments", 200_000, func(c *crowd, n int) {
		c.ip(n, 6, false, 64)
		c.frame[20] = 0x20 // more follow
		c.write(append(c.frame, make([]byte, 64)...))
	}},
	{"machines", 300_000, func(c *crowd, n int) {
		c.ip(n, 17, n%2 == 0, 8)
		c.write(append(c.frame, byte(n>>8), byte(n), byte(n), byte(n>>8), 0, 8, 0, 0))
	}},
	{"ARP", 200_000, func(c *crowd, n int) {
		who := []byte{10, byte(n >> 16), byte(n >> 8), byte(n)}
		f := append([]byte{255, 255, 255, 255, 255, 255, 2, 0, who[0], who[1], who[2], who[3]}, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0)
		f = append(append(append(f, who...), who...), 0, 0, 0, 0, 0, 0, 172, who[1], who[2], who[3])
		c.write(f)
	}},
	{"VLANs", 300_000, func(c *crowd, n int) {
		c.ip(n, 17, false, 8)
		f := append(append(append([]byte(nil), c.frame[:12]...), 0x88, 0xa8, byte(n>>20), byte(n>>12), 0x81, 0, byte(n>>8), byte(n)), c.frame[12:]...)
		c.write(append(f, byte(n>>8), byte(n), 0, 53, 0, 8, 0, 0))
	}},
	{"largest associations", 600, func(c *crowd, n int) {
		c.connect(n)
		request, seq := largestRequest(n, 10), uint32(1)
		for len(request) > 0 {
			part := request[:min(len(request), 60_000)]
			c.tcp(n, false, tcpACK, seq, 1, part)
			request, seq = request[len(part):], seq+uint32(len(part))
		}
	}},
	{"associations", 60_000, func(c *crowd, n int) {
		c.connect(n)
		request := largestRequest(n, 1)
		binary.BigEndian.PutUint32(request[2:], 500)
		c.tcp(n, false, tcpACK, 1, 1, request[:506])
	}},
	{"operations", 400_000, func(c *crowd, n int) {
		if n == 0 {
			c.connect(n)
			c.tcp(0, false, tcpACK, 1, 1, firstRequest)
		}
		b := echo(uint16(n))
		c.tcp(0, false, tcpACK, uint32(1+len(firstRequest)+n*len(b)), 1, b)
	}},
}

// TestCrowds has each command that reads captures meet those who want to be remembered by the
// hundred thousand: the memory that it may take is that of any hostile file.
func TestCrowds(t *testing.T) {
	for _, tt := range crowds {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "crowd.pcap")
			f, err := os.Create(path)
			require.NoError(t, err)
			defer f.Close()
			c := &crowd{t: t, w: bufio.NewWriterSize(f, 1<<20), at: testStart.UnixNano()}
			_, err = c.w.Write(pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 262144, true))
			require.NoError(t, err)
			for n := range tt.n {
				tt.each(c, n)
			}
			require.NoError(t, c.w.Flush())
			for _, command := range []string{"dicom --json", "dicom --ops", "extract --scrub dicom -w " + dir + "/out", "info --top --json", "read -w " + dir + "/copy"} {
				o := runHostileTo(t, nil, append(strings.Fields(command), path)...)
				t.Logf("%-20.20s %3d MiB", command, o.memory>>20)
				assert.NotEqual(t, exitFailed, o.status, "%s: %s", command, o.stderr)
			}
		})
	}
}

// TestCrowdedFiles has files that describe more than any capture has: interfaces, names of
// addresses, and in a set the gaps of its ledger and its holds.
func TestCrowdedFiles(t *testing.T) {
	section := pcapfile.AppendSection(nil, &pcapfile.Section{})
	block := func(dst []byte, kind uint32, body []byte) []byte {
		length := uint32(12 + len(body))
		dst = binary.LittleEndian.AppendUint32(dst, kind)
		dst = append(binary.LittleEndian.AppendUint32(dst, length), body...)
		return binary.LittleEndian.AppendUint32(dst, length)
	}
	option := func(dst []byte, code, length int) []byte {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(code))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(length))
		return append(dst, make([]byte, length)...)
	}
	for _, tt := range []struct {
		name string
		n    int
		body func(n int) (kind uint32, body []byte)
	}{
		{"interfaces", 60_000, func(int) (uint32, []byte) { // with a description of 1,000 bytes
			const description = 3
			return 1, option([]byte{1, 0, 0, 0, 0, 0, 4, 0}, description, 1000)
		}},
		{"names", 2_000_000, func(n int) (uint32, []byte) {
			b := []byte{1, 0, 10, 0, 10, byte(n >> 16), byte(n >> 8), byte(n)}
			return 4, append(b, byte('a'+n%26), byte('a'+n/26%26), byte('a'+n/676%26), 'x', 'y', 0, 0, 0, 0, 0, 0, 0)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			b := section
			for n := range tt.n {
				kind, body := tt.body(n)
				b = block(b, kind, body)
			}
			path := writeTestFile(t, filepath.Join(dir, "crowd.pcapng"), b)
			b = nil
			debug.FreeOSMemory()
			for _, command := range []string{"dicom --json", "extract --scrub dicom -w " + dir + "/out", "info --json", "read -w " + dir + "/copy", "read"} {
				o := runHostileTo(t, nil, append(strings.Fields(command), path)...)
				t.Logf("%-20.20s %3d MiB", command, o.memory>>20)
				assert.NotEqual(t, exitFailed, o.status, "%s: %s", command, o.stderr)
			}
		})
	}
	t.Run("set", func(t *testing.T) {
		dir := t.TempDir()
		at := testStart.UTC()
		for n := range 2000 {
			name := fmt.Sprintf("c0-%s-%06d.pcapng", at.Add(time.Duration(n)*time.Second).Format("20060102T150405Z"), n+1)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), section, 0o600))
		}
		var gaps, held bytes.Buffer
		fmt.Fprintf(&gaps, "%-255s\n", `{"netcap_ledger":1,"alive":"2026-11-24T10:05:00Z","boot":"","flush_seconds":1,"fsync_seconds":5}`)
		for n := range 300_000 {
			from := at.Add(time.Duration(n) * time.Millisecond).Format(time.RFC3339Nano)
			fmt.Fprintf(&gaps, `{"gap":%d,"is":{"from":%q,"to":%q,"cause":"ring_full","packets_lost":1,"interface":"c%d","file":"f%d"}}`+"\n", n+1, from, from, n, n)
		}
		fmt.Fprintf(&held, `{"last":%d,"holds":[`, holds.Max)
		for n := range holds.Max {
			from := at.Add(time.Duration(n) * time.Millisecond).Format(time.RFC3339Nano)
			fmt.Fprintf(&held, `%s{"id":%d,"from":%q,"to":%q,"reason":"reason %d"}`, strings.Repeat(",", min(n, 1)), n+1, from, from, n)
		}
		fmt.Fprint(&held, `]}`)
		writeTestFile(t, filepath.Join(dir, "c0.ledger"), gaps.Bytes())
		writeTestFile(t, filepath.Join(dir, "c0.holds"), held.Bytes())
		gaps, held = bytes.Buffer{}, bytes.Buffer{}
		debug.FreeOSMemory()
		for _, command := range []string{"list --json", "list", "gaps --json", "gaps", "info --json", "dicom --json", "hold --json"} {
			o := runHostileTo(t, nil, append(strings.Fields(command), dir)...)
			t.Logf("%-20.20s %3d MiB", command, o.memory>>20)
			assert.NotEqual(t, exitFailed, o.status, "%s: %s", command, o.stderr)
		}
	})
}
