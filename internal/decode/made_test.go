package decode_test

import (
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// ip4 makes a packet of an IPv4 header and what follows it.
func ip4(protocol byte, src, dst [4]byte, payload []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0}
	b = append(append(append(b, src[:]...), dst[:]...), payload...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

var left, right = [4]byte{192, 0, 2, 1}, [4]byte{192, 0, 2, 2}

func udpPacket(src, dst uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0)
	return ip4(17, left, right, append(b, payload...))
}

func tcpPacket(src, dst [4]byte, sport, dport uint16, seq, ack uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 0x50, 0x18, 1, 0, 0, 0, 0, 0)
	return ip4(6, src, dst, append(b, payload...))
}

func segment(port uint16, payload []byte) []byte {
	return tcpPacket(left, right, 40000, port, 1, 1, payload)
}

// made writes packets into a file, and says how we print each.
func made(t testing.TB, packets [][]byte) (path string, ours []string) {
	t.Helper()
	file := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeRaw, 0, true)
	for _, data := range packets {
		file = pcapfile.AppendRecord(file, at.UnixNano(), data, uint32(len(data)), true)
		ours = append(ours, printed(data))
	}
	path = filepath.Join(t.TempDir(), "made.pcap")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	return path, ours
}

func printed(data []byte) string {
	return line(&pcapfile.Packet{
		Time: at, HasTime: true, Data: data, Length: uint32(len(data)),
		Interface: &pcapfile.Interface{LinkType: pcapfile.LinkTypeRaw},
	})
}

// payloadOf is what is printed behind the length of a segment or datagram.
func payloadOf(line string) string {
	_, behind, _ := strings.Cut(line, ", length ")
	_, payload, _ := strings.Cut(behind, ": ")
	return payload
}

// tshark returns fields of each packet of a file that a display filter lets through.
func tshark(t testing.TB, path, filter string, fields ...string) [][]string {
	t.Helper()
	args := []string{"-n", "-r", path, "-Y", filter, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=,"}
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	out, _ := exec.Command(testenv.Program(t, "tshark"), args...).Output() // it complains of files that are cut
	var rows [][]string
	for text := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(text, "\n"), "\t"))
	}
	return rows
}

// A conversation records what two programs write to one another, a segment a call.
type conversation struct {
	mu      sync.Mutex
	port    uint16 // of the server
	next    [2]uint32
	packets [][]byte
}

const client, server = 0, 1

func (c *conversation) add(from int, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	src, dst, sport, dport := left, right, uint16(40000), c.port
	if from == server {
		src, dst, sport, dport = dst, src, dport, sport
	}
	c.packets = append(c.packets, tcpPacket(src, dst, sport, dport, c.next[from]+1, c.next[1-from]+1, b))
	c.next[from] += uint32(len(b))
}

// side is one end of a connection.
func (c *conversation) side(from int, conn net.Conn) net.Conn { return &recorded{conn, c, from} }

type recorded struct {
	net.Conn
	in   *conversation
	from int
}

func (r *recorded) Write(b []byte) (int, error) {
	r.in.add(r.from, b)
	return r.Conn.Write(b)
}
