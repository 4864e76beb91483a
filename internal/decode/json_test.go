package decode_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// jsonPacket is what docs/read-json.md describes.
type jsonPacket struct {
	Time            *time.Time `json:"time"`
	Interface       *string    `json:"interface"`
	Direction       *string    `json:"direction"`
	Length          int        `json:"length"`
	Captured        int        `json:"captured"`
	LinkSource      *string    `json:"link_source"`
	LinkDestination *string    `json:"link_destination"`
	VLAN            []int      `json:"vlan"`
	Source          *string    `json:"source"`
	Destination     *string    `json:"destination"`
	SourceName      *string    `json:"source_name"`
	DestinationName *string    `json:"destination_name"`
	SourcePort      *int       `json:"source_port"`
	DestinationPort *int       `json:"destination_port"`
	Protocol        *string    `json:"protocol"`
	TCP             *jsonTCP   `json:"tcp"`
	Info            string     `json:"info"`
}

type jsonTCP struct {
	Flags  []string `json:"flags"`
	Seq    uint32   `json:"seq"`
	Ack    uint32   `json:"ack"`
	Window int      `json:"window"`
	Length int      `json:"length"`
}

// fromJSON decodes an object, and refuses one with other fields.
func fromJSON(t testing.TB, text []byte) (got jsonPacket) {
	t.Helper()
	require.True(t, utf8.Valid(text), "%q", text)
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&got), "%s", text)
	return got
}

func TestAppendJSON(t *testing.T) {
	p := decode.Printer{
		LinkHeader: true, Verbose: 2, Quiet: true, Colors: true, Dump: decode.DumpHex, // of no effect
		Names: map[netip.Addr]string{netip.MustParseAddr("172.17.0.2"): "pacs\"\n\x1b[2J\xff\u202e"},
	}
	pk := packet(t, 1, macs+"88a8 000c 8100 0007 0800"+ip4TCP+tcpPSH+data4)
	pk.Interface.Name, pk.Flags = "br-pacs", pcapfile.FlagOutbound
	assert.Equal(t, `{"time":"2026-11-23T13:04:05.123456789Z","interface":"br-pacs","direction":"out",`+
		`"length":78,"captured":78,"link_source":"02:42:00:00:00:01","link_destination":"02:42:00:00:00:02",`+
		`"vlan":[12,7],"source":"172.17.0.1","destination":"172.17.0.2","source_name":null,`+
		`"destination_name":"pacs\"\u000a\u001b[2J`+"\ufffd"+`\u202e","source_port":40312,"destination_port":104,"protocol":"tcp",`+
		`"tcp":{"flags":["psh","ack"],"seq":1,"ack":1,"window":502,"length":4},`+
		`"info":"Flags [P.], seq 1:5, ack 1, win 502, options [nop,nop,TS val 100 ecr 200], length 4"}`,
		string(p.AppendJSON(nil, pk)))

	pk = packet(t, 1, macs+"0806 0001 0800 06 04 0001 024200000001 0a000001 000000000000 0a000002")
	pk.HasTime = false
	assert.Equal(t, `{"time":null,"interface":null,"direction":null,"length":42,"captured":42,`+
		`"link_source":"02:42:00:00:00:01","link_destination":"02:42:00:00:00:02","vlan":[],"source":null,`+
		`"destination":null,"source_name":null,"destination_name":null,"source_port":null,"destination_port":null,`+
		`"protocol":"arp","tcp":null,"info":"ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28"}`,
		string(p.AppendJSON(nil, pk)))
}

// TestJSONProtocols has the addresses of the outermost header, and the protocol of the
// innermost.
func TestJSONProtocols(t *testing.T) {
	for _, tt := range []struct {
		link                             pcapfile.LinkType
		data, source, protocol, contains string
	}{
		{101, "45000034 00010000 40040000 c0000201 c0000202" + ip4UDP + udp4 + data4, "192.0.2.1", "udp", "IP 10.0.0.1.36864 > "},
		{101, "45000038 00010000 402f0000 c0000201 c0000202 00000800" + ip4UDP + udp4 + data4, "192.0.2.1", "udp", "GREv0, length 36: IP 10.0.0.1"},
		{101, "45000018 00010000 40fd0000 0a000001 0a000002" + data4, "10.0.0.1", "ip", "ip-proto-253, length 4"},
		{101, "45000018 00010000 40590000 0a000001 0a000002 02010004", "10.0.0.1", "ospf", "OSPFv2, Hello"},
		{1, macs + "8847 00064140" + ip4UDP + udp4 + data4, "10.0.0.1", "udp", "UDP, length 4"},
		{1, macs + "88cc 0000", "", "lldp", "LLDP"},
		{1, macs + "8864 1100 0017 0022 0021" + ip4UDP + udp4 + data4, "10.0.0.1", "udp", "UDP, length 4"},
		{105, data4, "", "", "IEEE802_11"},
	} {
		var p decode.Printer
		got := fromJSON(t, p.AppendJSON(nil, packet(t, tt.link, tt.data)))
		text := func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		}
		assert.Equal(t, tt.source, text(got.Source), got.Info)
		assert.Equal(t, tt.protocol, text(got.Protocol), got.Info)
		assert.Contains(t, got.Info, tt.contains)
		assert.NotContains(t, got.Info, "vlan")
	}
}

// TestJSONAgainstTshark compares fields.
func TestJSONAgainstTshark(t *testing.T) {
	files := []string{
		"dicom/store_ok.pcap", "captures/dns_udp.pcap", "captures/802.1ad_QinQ.pcap", "captures/print-flags.pcap", "captures/mptcp-v1.pcap",
		"captures/babel_rtt.pcap", "captures/forces2.pcap", "captures/icmpv6_opt24.pcap", "captures/resp_1_benchmark.pcap",
		"captures/various_gre.pcap",
	}
	packets := 0
	for _, file := range files {
		path := filepath.Join(testenv.Corpus(t), file)
		want := tsharkRows(t, path)
		var p decode.Printer
		each(t, path, func(n int, pk *pcapfile.Packet) bool {
			got := fromJSON(t, p.AppendJSON(nil, pk))
			if !assert.LessOrEqual(t, n, len(want), file) {
				return false
			}
			assert.Equal(t, want[n-1], fields(got, pk.Interface.LinkType), "%s packet %d", file, n)
			packets++
			return true
		})
	}
	t.Logf("%d packets of %d files: %s equal", packets, len(files), strings.Join(tsharkFields, " "))
}

var tsharkFields = []string{
	"frame.len", "frame.cap_len", "frame.time_epoch", "eth.src", "eth.dst", "vlan.id", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport",
	"udp.srcport", "udp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.len",
}

// tsharkRows has the first occurrence of each field.
func tsharkRows(t testing.TB, path string) (packets [][]string) {
	t.Helper()
	args := []string{"-n", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"}
	const outerTag = "ieee8021ad.id"
	for _, f := range append(slices.Clone(tsharkFields), outerTag) {
		args = append(args, "-e", f)
	}
	out, err := exec.Command(testenv.Program(t, "tshark"), args...).Output()
	require.NoError(t, err)
	for text := range strings.Lines(string(out)) {
		values := strings.Split(strings.TrimSuffix(text, "\n"), "\t")
		require.Len(t, values, len(tsharkFields)+1)
		tag := slices.Index(tsharkFields, "vlan.id")
		values[tag] = strings.Trim(values[len(tsharkFields)]+","+values[tag], ",")
		values = values[:len(tsharkFields)]
		for i, name := range tsharkFields {
			if name != "vlan.id" {
				values[i], _, _ = strings.Cut(values[i], ",")
			}
		}
		packets = append(packets, values)
	}
	return packets
}

// fields has what tshark has, of ours.
func fields(p jsonPacket, link pcapfile.LinkType) []string {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	number := func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	}
	out := make([]string, len(tsharkFields))
	set := func(name, value string) { out[slices.Index(tsharkFields, name)] = value }
	set("frame.len", strconv.Itoa(p.Length))
	set("frame.cap_len", strconv.Itoa(p.Captured))
	set("frame.time_epoch", fmt.Sprintf("%d.%09d", p.Time.Unix(), p.Time.Nanosecond()))
	if link == pcapfile.LinkTypeEthernet {
		set("eth.src", text(p.LinkSource))
		set("eth.dst", text(p.LinkDestination))
	}
	var ids []string
	for _, id := range p.VLAN {
		ids = append(ids, strconv.Itoa(id))
	}
	set("vlan.id", strings.Join(ids, ","))
	version := "ip"
	if strings.Contains(text(p.Source), ":") {
		version = "ipv6"
	}
	set(version+".src", text(p.Source))
	set(version+".dst", text(p.Destination))
	transport := "udp"
	if p.TCP != nil {
		transport = "tcp"
		set("tcp.seq_raw", strconv.FormatUint(uint64(p.TCP.Seq), 10))
		set("tcp.ack_raw", strconv.FormatUint(uint64(p.TCP.Ack), 10))
		set("tcp.window_size_value", strconv.Itoa(p.TCP.Window))
		set("tcp.len", strconv.Itoa(p.TCP.Length))
	}
	if p.Protocol == nil || *p.Protocol != "sctp" {
		set(transport+".srcport", number(p.SourcePort))
		set(transport+".dstport", number(p.DestinationPort))
	}
	return out
}

func TestJSONAllocations(t *testing.T) {
	pk := packet(t, 1, macs+"0800"+ip4TCP+tcpPSH+data4)
	var p decode.Printer
	dst := make([]byte, 0, 2048)
	assert.Zero(t, testing.AllocsPerRun(100, func() { p.AppendJSON(dst, pk) }))
}
