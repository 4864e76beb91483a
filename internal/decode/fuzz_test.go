package decode_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// maxLine bounds a line: an ARP packet with addresses of 255 bytes, and DNS in many
// tunnels, are the longest there are.
const maxLine = 4096

// FuzzAppend prints any bytes as any link type. What comes out is one line of
// printable text behind what was there, of bounded length, and does not depend
// on the packets printed before.
func FuzzAppend(f *testing.F) {
	seedFromCorpus(f)
	used := decode.Printer{Location: time.UTC, Interfaces: true}
	f.Fuzz(func(t *testing.T, link uint16, length uint32, data []byte) {
		pk := fuzzed(link, length, data)
		fresh := decode.Printer{Location: time.UTC, Interfaces: true}
		got := fresh.Append([]byte("before|"), pk)
		require.Equal(t, "before|", string(got[:7]))
		require.Less(t, len(got), maxLine)
		printable(t, string(got), "")
		require.Equal(t, string(got), string(used.Append([]byte("before|"), pk)))
	})
}

// FuzzOptions prints with all that Append has no options for: lines begin with spaces
// then, or with tabs, and nothing else is in them but text.
func FuzzOptions(f *testing.F) {
	seedFromCorpus(f)
	f.Fuzz(func(t *testing.T, link uint16, length uint32, data []byte) {
		pk := fuzzed(link, length, data)
		plain := decode.Printer{Location: time.UTC}
		line := string(plain.Append(nil, pk))
		for _, p := range []decode.Printer{
			{LinkHeader: true}, {Quiet: true}, {LinkHeader: true, Quiet: true}, {Verbose: 1}, {Verbose: 2, LinkHeader: true},
		} {
			p.Location = time.UTC
			colors := p
			colors.Colors = true
			got := string(p.Append(nil, pk))
			printable(t, got, "\n\t")
			require.Less(t, len(got), 4*maxLine)
			require.Equal(t, got, sgr.ReplaceAllString(string(colors.Append(nil, pk)), ""))
		}
		for style := decode.DumpHex; style <= decode.DumpASCIILink; style++ {
			p := decode.Printer{Location: time.UTC, Dump: style}
			got := string(p.Append(nil, pk))
			require.True(t, strings.HasPrefix(got, line))
			printable(t, got, "\n\t")
			require.LessOrEqual(t, len(got), len(line)+len(data)*5+100)
		}
		p := decode.Printer{Names: map[netip.Addr]string{netip.IPv4Unspecified(): string(data)}}
		text := p.AppendJSON(nil, pk)
		printable(t, string(text), "")
		require.True(t, json.Valid(text), "%s", text)
	})
}

func fuzzed(link uint16, length uint32, data []byte) *pcapfile.Packet {
	return &pcapfile.Packet{
		Time: at, HasTime: true, Data: data, Length: length,
		Interface: &pcapfile.Interface{LinkType: pcapfile.LinkType(link), Name: string(data[:min(8, len(data))])},
	}
}

func printable(t testing.TB, text, also string) {
	t.Helper()
	require.NotContains(t, text, "[malformed packet]")
	require.True(t, utf8.ValidString(text), "%q", text)
	for _, r := range text {
		require.True(t, unicode.IsPrint(r) || strings.ContainsRune(also, r), "%q in %q", r, text)
	}
}

// seedFromCorpus adds the first packets of each file.
func seedFromCorpus(f *testing.F) {
	f.Add(uint16(1), uint32(0), []byte{})
	for _, data := range everyday(f) {
		f.Add(uint16(pcapfile.LinkTypeRaw), uint32(len(data)), data)
	}
	for _, data := range dnsPackets(f)[600:] {
		f.Add(uint16(pcapfile.LinkTypeRaw), uint32(len(data)), data)
	}
	if os.Getenv("NETCAP_CORPUS") == "" && !corpusNearby() {
		return // the fuzzer runs without it as well
	}
	for _, path := range captures(f) {
		each(f, path, func(n int, pk *pcapfile.Packet) bool {
			if len(pk.Data) <= 512 {
				f.Add(uint16(pk.Interface.LinkType), pk.Length, pk.Data)
			}
			return n < 3
		})
	}
}

func corpusNearby() bool {
	_, err := os.Stat(filepath.Join("..", "..", "..", "shared", "corpus"))
	return err == nil
}

// captures lists the captures of the corpus.
func captures(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"captures/*.pcap*", "dicom/*.pcap"} {
		paths, err := filepath.Glob(filepath.Join(testenv.Corpus(t), pattern))
		require.NoError(t, err)
		require.NotEmpty(t, paths)
		all = append(all, paths...)
	}
	return all
}

// each calls do for the packets of a file until it returns false or no more
// can be read, and reports whether that is the end of the file.
func each(t testing.TB, path string, do func(n int, pk *pcapfile.Packet) bool) (whole bool) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	r, err := pcapfile.NewReader(file)
	if err != nil {
		return false
	}
	for n := 1; ; n++ {
		pk, err := r.Next()
		var truncated *pcapfile.TruncatedError
		var format *pcapfile.FormatError
		switch {
		case errors.As(err, &truncated), errors.As(err, &format):
			return false
		case err != nil:
			return true
		case !do(n, pk):
			return false
		}
	}
}
