package tcp_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/tcp"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// merge writes the packets of files, damaged ones up to the damage, to one file, and returns
// where each of its packets is from.
func merge(t testing.TB, paths []string) (path string, from []string) {
	t.Helper()
	b := pcapfile.AppendSection(nil, &pcapfile.Section{})
	interfaces := make(map[*pcapfile.Interface]uint32)
	for _, name := range paths {
		f, err := os.Open(name)
		require.NoError(t, err)
		r, err := pcapfile.NewReader(f)
		for n := 1; err == nil; n++ {
			var p *pcapfile.Packet
			if p, err = r.Next(); err != nil {
				break
			}
			id, ok := interfaces[p.Interface]
			if !ok {
				id = uint32(len(interfaces))
				interfaces[p.Interface] = id
				b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: p.Interface.LinkType})
			}
			b = pcapfile.AppendPacket(b, id, int64(len(from)+1), p.Data, p.Length, 0)
			from = append(from, fmt.Sprintf("%s packet %d", filepath.Base(name), n))
		}
		require.NoError(t, f.Close())
	}
	path = filepath.Join(t.TempDir(), "merged.pcapng")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path, from
}

func TestReadAgainstTshark(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"dicom/*.pcap", "captures/*.pcap*"} {
		found, err := filepath.Glob(filepath.Join(testenv.Corpus(t), pattern))
		require.NoError(t, err)
		paths = append(paths, found...)
	}
	path, from := merge(t, paths)
	fields := []string{
		"frame.number", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw",
		"tcp.flags", "tcp.window_size_value", "tcp.len", "tcp.options.timestamp.tsval", "ip.id",
	}
	args := []string{
		"-n", "-r", path, "-Y", "tcp", "-T", "fields", "-E", "occurrence=l", "-E", "separator=/t",
		"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command(testenv.Program(t, "tshark"), args...).Output()
	require.NoError(t, err)
	theirs := make(map[int]map[string]string)
	for line := range strings.Lines(string(out)) {
		row := make(map[string]string)
		for i, v := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			row[fields[i]] = v
		}
		n, err := strconv.Atoi(row["frame.number"])
		require.NoError(t, err)
		theirs[n] = row
	}
	var s tcp.Segment
	n, segments := 0, 0
	each(t, path, func(p *pcapfile.Packet) {
		n++
		kind, row := s.Read(p), theirs[n]
		name, _, _ := strings.Cut(from[n-1], " ")
		if kind != tcp.TCP {
			if notOurs[name] == "" {
				assert.Nil(t, row, from[n-1])
			}
			return
		}
		segments++
		if notTheirs[name] != "" || row == nil && strings.HasPrefix(name, "bigtcp-") { // it knows none beyond 64 KiB
			return
		}
		if !assert.NotNil(t, row, from[n-1]) {
			return
		}
		source, destination, id := row["ip.src"], row["ip.dst"], strings.TrimPrefix(row["ip.id"], "0x")
		if s.Src.Addr().Is6() {
			source, destination, id = row["ipv6.src"], row["ipv6.dst"], "0000"
		}
		want := []string{
			source, destination, row["tcp.srcport"], row["tcp.dstport"], row["tcp.seq_raw"], id,
			row["tcp.ack_raw"], row["tcp.flags"][len("0x0?"):], row["tcp.window_size_value"], row["tcp.len"], row["tcp.options.timestamp.tsval"],
		}
		stamp := ""
		if s.HasTimestamps {
			stamp = decimal(s.TSval)
		}
		got := []string{
			s.Src.Addr().String(), s.Dst.Addr().String(), decimal(s.Src.Port()), decimal(s.Dst.Port()), decimal(s.Seq), fmt.Sprintf("%04x", s.ID),
			decimal(s.Ack), fmt.Sprintf("%02x", uint8(s.Flags)), decimal(s.Window), decimal(s.Length), stamp,
		}
		assert.Equal(t, want, got, from[n-1])
	})
	assert.Greater(t, segments, 5900)
}

func decimal[T uint16 | uint32 | int](n T) string { return fmt.Sprint(n) }

// notOurs are captures in which tshark finds segments where we look for none.
var notOurs = map[string]string{
	"arcnet-rfc1051-arp-icmp-http.pcap": "ARCnet",
	"arcnet-rfc1201-arp-icmp-http.pcap": "ARCnet",
	"bgp-aigp.pcap":                     "Juniper's link type",
	"sflow_expanded.pcap":               "a sample in sFlow",
	"wccp_redirect_gre.pcap":            "WCCP's header behind GRE's",
}

// notTheirs are captures in which tshark sees none, or another.
var notTheirs = map[string]string{
	"bgp-bgp_capabilities_print-oobr-1.pcap": "it has no length for the first of several fragments",
	"bgp-bgp_capabilities_print-oobr-2.pcap": "it has no length for the first of several fragments",
	"rpki-rtr-oobr.pcap":                     "it has no length for the first of several fragments",
	"kday4.pcap":                             "the packet's length is less than that in the IP header, which we believe",
	"kday7.pcap":                             "the packet's length is less than that in the IP header, which we believe",
	"of13_ericsson.pcapng":                   "it shows the addresses of a packet that is quoted in OpenFlow",
}
