package pcapfile_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// samples are packets that exercise padding, cutting, and the digits of a
// timestamp.
func samples() []record {
	var all []record
	for n := range 64 {
		frame := testenv.UDPFrame(uint32(n), testenv.MinFrame+n*7)
		data := frame
		if n%5 == 4 {
			data = frame[:testenv.MinFrame-n%4]
		}
		all = append(all, record{
			Time:    time.Unix(1_700_000_000+int64(n), int64(n)*15_625_001%1e9).UTC(),
			HasTime: true, Data: data, Length: uint32(len(frame)),
			LinkType: pcapfile.LinkTypeEthernet,
		})
	}
	return all
}

// writeSamples encodes samples in one of three ways; microseconds lose
// digits, which the returned packets lose as well.
func writeSamples(kind string) (file []byte, want []record) {
	want = samples()
	var b []byte
	switch kind {
	case "pcapng":
		b = pcapfile.AppendSection(b, &pcapfile.Section{Hardware: "x86_64", OS: "Linux 6.18", Application: "netcap test", Comments: []string{"of the section"}})
		b = pcapfile.AppendInterface(b, &pcapfile.Interface{
			LinkType: pcapfile.LinkTypeEthernet, SnapLen: 262144, Name: "eth0", Description: "uplink",
			Filter: "udp", OS: "Linux", MAC: []byte{2, 0, 0, 0, 0, 1}, Speed: 1e10,
			Addrs: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/15")}, Comments: []string{"of the interface"},
		})
		b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet, SnapLen: 262144, Name: "eth1"})
		b = pcapfile.AppendNames(b, []pcapfile.Name{{Addr: netip.MustParseAddr("198.18.0.2"), Names: []string{"pacs.example"}}})
		for n := range want {
			want[n].InterfaceID = n % 2
			if n%3 == 0 {
				want[n].Flags = pcapfile.FlagInbound | pcapfile.FlagUnicast
			}
			b = pcapfile.AppendPacket(b, uint32(n%2), want[n].Time.UnixNano(), want[n].Data, want[n].Length, want[n].Flags)
		}
		for id := range uint32(2) {
			b = pcapfile.AppendStatistics(b, id, aTime, &pcapfile.Statistics{
				Start: aTime, End: aTime + 5e9, Received: pcapfile.Count(40), DroppedByInterface: pcapfile.Count(1),
				FilterAccepted: pcapfile.Count(36), DroppedByOS: pcapfile.Count(4), Delivered: pcapfile.Count(32),
			})
		}
	case "nsecpcap", "pcap":
		nano := kind == "nsecpcap"
		b = pcapfile.AppendFileHeader(b, pcapfile.LinkTypeEthernet, 262144, nano)
		for n := range want {
			b = pcapfile.AppendRecord(b, want[n].Time.UnixNano(), want[n].Data, want[n].Length, nano)
			if !nano {
				want[n].Time = want[n].Time.Truncate(time.Microsecond)
			}
		}
	}
	return b, want
}

var kinds = []string{"pcap", "nsecpcap", "pcapng"}

func TestReadBack(t *testing.T) {
	for _, kind := range kinds {
		file, want := writeSamples(kind)
		got, r, err := readAll(t, bytes.NewReader(file))
		require.NoError(t, err)
		assert.Equal(t, want, got, kind)
		assert.EqualValues(t, len(file), r.Offset())
	}
}

// TestPcapgoReads lets gopacket read what the encoders write.
func TestPcapgoReads(t *testing.T) {
	for _, kind := range []string{"pcap", "nsecpcap"} {
		file, want := writeSamples(kind)
		r, err := pcapgo.NewReader(bytes.NewReader(file))
		require.NoError(t, err)
		assert.Equal(t, layers.LinkTypeEthernet, r.LinkType())
		assert.EqualValues(t, 262144, r.Snaplen())
		for n := range want {
			data, ci, err := r.ReadPacketData()
			require.NoError(t, err)
			assert.Equal(t, want[n].Data, data)
			assert.Equal(t, want[n].Time, ci.Timestamp.UTC())
			assert.EqualValues(t, want[n].Length, ci.Length)
		}
		_, _, err = r.ReadPacketData()
		assert.Error(t, err)
	}

	file, want := writeSamples("pcapng")
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	require.NoError(t, err)
	assert.Equal(t, "netcap test", r.SectionInfo().Application)
	for n := range want {
		data, ci, err := r.ReadPacketData()
		require.NoError(t, err)
		assert.Equal(t, want[n].Data, data)
		assert.Equal(t, want[n].Time, ci.Timestamp.UTC())
		assert.EqualValues(t, want[n].Length, ci.Length)
		assert.Equal(t, want[n].InterfaceID, ci.InterfaceIndex)
	}
	_, _, err = r.ReadPacketData()
	assert.Error(t, err)
	require.Equal(t, 2, r.NInterfaces())
	i, err := r.Interface(0)
	require.NoError(t, err)
	assert.Equal(t, "eth0/uplink/udp/Linux", strings.Join([]string{i.Name, i.Description, i.Filter, i.OS}, "/"))
	assert.EqualValues(t, 262144, i.SnapLength)
	assert.EqualValues(t, 40, i.Statistics.PacketsReceived)
	assert.EqualValues(t, 1, i.Statistics.PacketsDropped, "by the interface: pcapgo reads isb_ifdrop")
}

// TestPcapgoWrites reads what gopacket writes.
func TestPcapgoWrites(t *testing.T) {
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
	require.NoError(t, err)
	want := samples()
	for n := range want {
		ci := gopacket.CaptureInfo{Timestamp: want[n].Time, CaptureLength: len(want[n].Data), Length: int(want[n].Length)}
		require.NoError(t, w.WritePacket(ci, want[n].Data))
	}
	require.NoError(t, w.Flush())
	got, _, err := readAll(t, &b)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// TestTsharkReads compares every field that tshark shows of a packet.
func TestTsharkReads(t *testing.T) {
	tshark := testenv.Program(t, "tshark")
	for _, kind := range kinds {
		file, want := writeSamples(kind)
		path := temporary(t, file)
		out, err := exec.Command(tshark, "-r", path, "-T", "fields",
			"-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len",
			"-e", "frame.interface_id", "-e", "frame.packet_flags").Output()
		require.NoError(t, err)
		lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
		require.Len(t, lines, len(want), kind)
		for n, p := range want {
			id, flags := strconv.Itoa(p.InterfaceID), fmt.Sprintf("0x%08x", uint32(p.Flags))
			if p.Flags == 0 {
				flags = ""
			}
			if kind != "pcapng" {
				id = strings.Split(lines[n], "\t")[3] // none, or one made up
			}
			assert.Equal(t, fmt.Sprintf("%d.%09d\t%d\t%d\t%s\t%s", p.Time.Unix(), p.Time.Nanosecond(), len(p.Data), p.Length, id, flags), lines[n])
		}
	}
}

// TestTcpdumpReads compares time stamps and lengths with tcpdump's.
func TestTcpdumpReads(t *testing.T) {
	tcpdump := testenv.Program(t, "tcpdump")
	for _, kind := range kinds {
		file, want := writeSamples(kind)
		path := temporary(t, file)
		out, err := exec.Command(tcpdump, "-n", "-e", "-tt", "--nano", "-r", path).Output()
		require.NoError(t, err)
		lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
		require.Len(t, lines, len(want), kind)
		for n, p := range want {
			stamp, rest, _ := strings.Cut(lines[n], " ")
			assert.Equal(t, fmt.Sprintf("%d.%09d", p.Time.Unix(), p.Time.Nanosecond()), stamp)
			assert.Contains(t, rest, fmt.Sprintf(", length %d:", p.Length))
		}
	}
}

// TestCapinfosReads checks what capinfos says about the file as a whole.
func TestCapinfosReads(t *testing.T) {
	capinfos := testenv.Program(t, "capinfos")
	for _, kind := range kinds {
		file, want := writeSamples(kind)
		out, err := exec.Command(capinfos, "-M", temporary(t, file)).Output()
		require.NoError(t, err)
		text := string(out)
		bytes := 0
		for _, p := range want {
			bytes += int(p.Length)
		}
		assert.Regexp(t, fmt.Sprintf(`Number of packets: +%d\n`, len(want)), text)
		assert.Regexp(t, fmt.Sprintf(`Data size: +%d bytes\n`, bytes), text)
		assert.Regexp(t, `Strict time order: +True\n`, text)
		if kind != "pcapng" {
			continue
		}
		for _, pattern := range []string{
			`File encapsulation: +ether`, `Capture hardware: +x86_64`, `Capture oper-sys: +Linux 6.18`,
			`Capture application: +netcap test`, `Capture comment: +of the section`, `Number of interfaces in file: 2`,
			`Name = eth0`, `Description = uplink`, `Speed = 10000000000`, `Filter string = udp`,
			`Capture length = 262144`, `Time precision = nanoseconds \(9\)`, `Name = eth1`,
			`Number of stat entries = 1`, `Number of packets = 32`,
		} {
			assert.Regexp(t, pattern, text)
		}
	}
}

// TestTsharkNames: a name from a Name Resolution Block is used.
func TestTsharkNames(t *testing.T) {
	tshark := testenv.Program(t, "tshark")
	file, _ := writeSamples("pcapng")
	out, err := exec.Command(tshark, "-r", temporary(t, file), "-c", "1", "-N", "n", "-T", "fields", "-e", "ip.dst_host").Output()
	require.NoError(t, err)
	assert.Equal(t, "pacs.example\n", string(out))
}

// TestCustomBlocksPass: programs that don't know a Custom Block get at the
// packets around it. (tshark counts the block as a record without a time.)
func TestCustomBlocksPass(t *testing.T) {
	tcpdump, tshark := testenv.Program(t, "tcpdump"), testenv.Program(t, "tshark")
	for _, copyable := range []bool{true, false} {
		file, want := writeSamples("pcapng")
		file = pcapfile.AppendCustom(file, 32473, []byte("anything"), copyable)
		file = pcapfile.AppendPacket(file, 0, aTime, want[0].Data, want[0].Length, 0)
		path := temporary(t, file)
		out, err := exec.Command(tcpdump, "-n", "-r", path).Output()
		require.NoError(t, err)
		assert.Equal(t, len(want)+1, strings.Count(string(out), "\n"))
		out, err = exec.Command(tshark, "-n", "-r", path, "-Y", "udp").Output()
		require.NoError(t, err)
		assert.Equal(t, len(want)+1, strings.Count(string(out), "\n"))
	}
}

// TestReadsRewritten lets editcap and tcpdump rewrite the packets in every
// format that they know, and reads them.
func TestReadsRewritten(t *testing.T) {
	editcap, tcpdump := testenv.Program(t, "editcap"), testenv.Program(t, "tcpdump")
	for _, from := range kinds {
		file, want := writeSamples(from)
		path := temporary(t, file)
		check := func(name string, rewritten []byte, micro bool) {
			t.Helper()
			got, r, err := readAll(t, bytes.NewReader(rewritten))
			require.NoError(t, err, name)
			require.Len(t, got, len(want), name)
			for n, w := range want {
				if micro {
					w.Time = w.Time.Truncate(time.Microsecond)
				}
				if r.Format() == pcapfile.PCAP {
					w.InterfaceID, w.Flags = 0, 0
				}
				assert.Equal(t, w, got[n], "%s packet %d", name, n)
			}
		}
		for _, to := range []string{"pcap", "nsecpcap", "pcapng", "modpcap"} {
			out := filepath.Join(t.TempDir(), "out")
			require.NoError(t, exec.Command(editcap, "-F", to, path, out).Run())
			rewritten, err := os.ReadFile(out)
			require.NoError(t, err)
			check(from+" to "+to+" by editcap", rewritten, strings.HasSuffix(to, "pcap") && to != "nsecpcap")
		}
		for _, precision := range []string{"micro", "nano"} {
			rewritten, err := exec.Command(tcpdump, "--time-stamp-precision="+precision, "-r", path, "-w", "-").Output()
			require.NoError(t, err)
			check(from+" by tcpdump", rewritten, precision == "micro")
		}
	}
}

// TestReadsText2pcap reads what text2pcap makes of a hex dump.
func TestReadsText2pcap(t *testing.T) {
	text2pcap := testenv.Program(t, "text2pcap")
	out := filepath.Join(t.TempDir(), "out")
	dump := filepath.Join(t.TempDir(), "dump")
	require.NoError(t, os.WriteFile(dump, []byte("000000 61 62 63 64 65\n\n000000 66\n"), 0o600))
	require.NoError(t, exec.Command(text2pcap, "-l", "147", "-N", "lan", dump, out).Run())
	records, r, err := readFile(t, out)
	require.NoError(t, err)
	require.Len(t, records, 2)
	assert.Equal(t, "abcde", string(records[0].Data))
	assert.Equal(t, "lan", r.Interfaces()[0].Name)
	assert.Equal(t, "LINKTYPE 147", r.Interfaces()[0].LinkType.String())
}

func temporary(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}
