package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/scrub"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// planted is what data sets are full of here.
const planted = "PLANTED^PATIENT"

// association are the packets of one, at seconds behind testStart, on a port that isn't
// known for DICOM. The second segment of the data set comes before the first; at the end it
// comes again.
func association(t testing.TB) [][]byte {
	sent := [2]uint32{1000, 2000}
	packet := func(side int, flags byte, ahead uint32, payload string) []byte {
		ports := [2]uint16{40000, 5555}
		b := binary.BigEndian.AppendUint16(nil, ports[side])
		b = binary.BigEndian.AppendUint16(b, ports[1-side])
		b = binary.BigEndian.AppendUint32(b, sent[side]+ahead)
		b = binary.BigEndian.AppendUint32(b, sent[1-side])
		b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
		b = append(b, payload...)
		frame := append(make([]byte, 12), 8, 0, 0x45, 0)
		frame = binary.BigEndian.AppendUint16(frame, uint16(20+len(b)))
		frame = append(frame, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, byte(side+1), 10, 0, 0, byte(2-side))
		return append(frame, b...)
	}
	pdu := func(kind byte, body string) string {
		return string([]byte{kind, 0}) + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + body
	}
	value := func(flags byte, fragment string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(2+len(fragment)))) + string([]byte{1, flags}) + fragment
	}
	context := "1.2.840.10008.3.1.1.1"
	associate := func(kind byte) string {
		return pdu(kind, "\x00\x01\x00\x00"+"ARCHIVE         MODALITY        "+strings.Repeat("\x00", 32)+"\x10\x00\x00\x15"+context)
	}
	set := "\x00\x00\x00\x01\x02\x00\x00\x00\x01\x00" + "\x00\x00\x00\x08\x02\x00\x00\x00\x00\x00"
	command := pdu(4, value(3, "\x00\x00\x00\x00\x04\x00\x00\x00\x14\x00\x00\x00"+set))
	data := pdu(4, value(2, strings.Repeat(planted, 100)))

	packets := [][]byte{packet(0, 2, ^uint32(0), ""), packet(1, 0x12, ^uint32(0), ""), packet(0, 0x10, 0, "")}
	say := func(side int, text string) {
		packets = append(packets, packet(side, 0x18, 0, text))
		sent[side] += uint32(len(text))
	}
	say(0, associate(1))
	say(1, associate(2))
	say(0, command)
	packets = append(packets, packet(0, 0x18, 700, data[700:]))
	say(0, data[:700])
	packets = append(packets, packet(0, 0x18, 100, data[800:]))
	sent[0] += uint32(len(data) - 700)
	say(0, pdu(5, "\x00\x00\x00\x00"))
	say(1, pdu(6, "\x00\x00\x00\x00"))
	for _, p := range packets {
		require.LessOrEqual(t, len(p), 2000)
	}
	return packets
}

func TestExtractScrub(t *testing.T) {
	dir := t.TempDir()
	packets := association(t)
	at := func(i int) int64 { return testStart.Add(time.Duration(i) * time.Second).UnixNano() }
	pcap := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 65535, true)
	ng := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap test"})
	ng = pcapfile.AppendInterface(ng, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet, SnapLen: 65535})
	first, second := bytes.Clone(ng), bytes.Clone(ng)
	for i, p := range packets {
		pcap = pcapfile.AppendRecord(pcap, at(i), p, uint32(len(p)), true)
		ng = pcapfile.AppendPacketOptions(ng, 0, at(i), p, uint32(len(p)), 0, pcapfile.Counter{}, []string{"a comment"})
		if i < 7 { // up to the segment that comes too early
			first = pcapfile.AppendPacket(first, 0, at(i), p, uint32(len(p)), 0)
		} else {
			second = pcapfile.AppendPacket(second, 0, at(i), p, uint32(len(p)), 0)
		}
	}
	require.Contains(t, string(pcap), planted)
	one := writeTestFile(t, filepath.Join(dir, "one.pcap"), pcap)
	two := writeTestFile(t, filepath.Join(dir, "two.pcapng.gz"), gzipped(t, ng))
	begin := writeTestFile(t, filepath.Join(dir, "begin.pcapng"), first)
	end := writeTestFile(t, filepath.Join(dir, "end.pcapng"), second)
	from := testStart.Add(6 * time.Second).Format(time.RFC3339)

	const all, dataSet = "0 1 2 3 4 5 6 7 8 9 10", `\n  data sets of 1 connection overwritten: 2\.\d kB in 3 packets`
	for name, tt := range map[string]struct {
		args  []string
		out   string
		want  string
		said  string
		err   string
		keeps bool // associations and commands
	}{
		"pcap":            {args: []string{one}, out: "out.pcap", want: all, said: `^netcap: 11 packets of 1 file, in .*out.pcap \(.*\)` + dataSet + "\n$", keeps: true},
		"pcapng, gzip":    {args: []string{two}, out: "out.pcapng", want: all, said: dataSet + `\n  left out: 11 comments \(as the copy is scrubbed\)` + "\n$", keeps: true},
		"comments":        {args: []string{two, "--keep-comments"}, out: "out.pcapng", want: all, said: "\n  comments and names were kept as they are\n$", keeps: true},
		"two files":       {args: []string{begin, end}, out: "out.pcapng", want: all, said: `^netcap: 11 packets of 2 files.*` + dataSet + "\n$", keeps: true},
		"one direction":   {args: []string{one, "src", "port", "40000"}, out: "out.pcapng", want: "0 2 3 5 6 7 8 9", said: dataSet + "\n$", keeps: true},
		"data alone":      {args: []string{one, "greater", "500"}, out: "out.pcapng", want: "6 7 8", said: dataSet + "\n$"},
		"the middle":      {args: []string{one, "--from", from}, out: "out.pcapng", want: "6 7 8 9 10", said: `\n  payload of 1 unknown connection overwritten: 2\.\d kB in \d packets`},
		"nothing of it":   {args: []string{one, "udp"}, out: "out.pcapng", said: "\n  no data sets of DICOM were found\n$"},
		"without --scrub": {args: []string{one, "--scrub=no"}, err: `--scrub "no": dicom is all there is`},
		"no kind":         {args: []string{one, "--scrub="}, err: `--scrub "": dicom is all there is`},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), tt.out)
			_, stderr, err := runCommand(newExtractCommand(), nil, append([]string{"-w", out, "--scrub", "dicom"}, tt.args...)...)
			if tt.err != "" {
				assert.ErrorContains(t, err, tt.err)
				assert.Equal(t, exitUsage, exitStatus(err))
				return
			}
			require.NoError(t, err)
			assert.Regexp(t, tt.said, stderr)
			assert.Equal(t, tt.want, secondsIn(t, out))
			b, err := os.ReadFile(out)
			require.NoError(t, err)
			for i := 0; i+4 <= len(planted); i++ {
				assert.False(t, bytes.Contains(b, []byte(planted[i:i+4])), planted[i:i+4])
			}
			assert.Equal(t, tt.keeps, bytes.Contains(b, []byte("ARCHIVE         MODALITY        ")))
			assert.Equal(t, name == "comments", bytes.Contains(b, []byte("a comment")))
			about, err := exec.Command(testenv.Program(t, "capinfos"), "-I", out).Output()
			require.NoError(t, err)
			assert.Equal(t, 1, strings.Count(string(about), "Interface #"), "files are not described again")
		})
	}

	// To standard output, which a reader understands.
	stdout, stderr, err := runCommand(newExtractCommand(), pcap, "--scrub", "dicom", "-", "-w", "-")
	require.NoError(t, err)
	assert.False(t, strings.Contains(stdout, planted[:4]))
	assert.Regexp(t, dataSet, stderr)
	assert.Equal(t, all, secondsIn(t, writeTestFile(t, filepath.Join(dir, "stdout"), []byte(stdout))))
}

// TestScrubSummary: what was done fits a terminal, however many connections there were.
func TestScrubSummary(t *testing.T) {
	most := scrub.Overwritten{Connections: 1_234, Packets: 99_999, Bytes: 123_456_789_012}
	s := &scrub.Stats{DICOM: most, Unknown: most, Unread: most, Others: map[string]scrub.Overwritten{"TLS": most, "SSH": most}}
	for n := range scrub.MaxPassed {
		s.Passed = append(s.Passed, &scrub.Passed{
			Protocol: []string{"TLS", "HTTP"}[n%2], Packets: 2, Bytes: int64(n),
			Client: netip.MustParseAddrPort("192.168.100.200:54321"), Server: netip.MustParseAddrPort("192.168.100.201:11112"),
		})
	}
	lines := overwritten(s)
	assert.Len(t, lines, 3+1+5+3)
	for _, line := range lines {
		assert.LessOrEqual(t, len(line), 78, line)
	}
	assert.Equal(t, []string{
		"passed unchanged, words and numbers of the protocol itself:",
		"  HTTP, 192.168.100.200:54321 to 192.168.100.201:11112: 999 B",
	}, lines[3:5])
	assert.Equal(t, []string{
		"  HTTP, 497 other connections: 247 kB",
		"  SSH, 1,234 other connections: 123 GB",
		"  TLS, 1,732 other connections: 123 GB",
	}, lines[9:])
	assert.Equal(t, "left out: "+strings.Repeat("word ", 12)+"word\n    "+strings.Repeat("word ", 6)+"word\n  next", folded("left out: "+strings.Repeat("word ", 20)+"\n  next"))
}
