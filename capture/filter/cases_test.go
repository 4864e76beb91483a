package filter

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"netcap/internal/testenv"
)

// A testCase is one of libpcap's own, as the corpus has them.
type testCase struct {
	ID          string      `json:"id"`
	Kind        string      `json:"kind"`
	DLT         string      `json:"dlt"`
	SnapLen     int         `json:"snaplen"`
	LinuxExt    bool        `json:"linuxext"`
	Offline     string      `json:"offline"`
	Netmask     string      `json:"netmask"`
	Expr        string      `json:"expr"`
	OptRaw      [][4]uint32 `json:"opt_raw"`
	Opt         []string    `json:"opt"`
	OptRejects  bool        `json:"opt_rejects"`
	SkipOnLinux string      `json:"skip_on_linux"`
	ErrorSubstr string      `json:"error_substr"`

	// Of apply cases.
	Savefile string   `json:"savefile"`
	Results  []uint32 `json:"results"`
	// Of translate cases.
	CFunc  string `json:"cfunc"`
	Arg    any    `json:"arg"` // a string, a character's number, or nothing
	Expect string `json:"expect"`
}

func corpusFilter(t testing.TB) string {
	t.Helper()
	return filepath.Join(testenv.Corpus(t), "filter")
}

func readCases(t testing.TB, file, kind string) []testCase {
	t.Helper()
	f, err := os.Open(filepath.Join(corpusFilter(t), file))
	require.NoError(t, err)
	defer f.Close()
	var cases []testCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c testCase
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		if kind == "" || c.Kind == kind {
			cases = append(cases, c)
		}
	}
	require.NoError(t, lines.Err())
	require.NotEmpty(t, cases)
	return cases
}

// corpusResolver knows the names that libpcap's tests use, the services and
// protocols that any system has, and no others.
func corpusResolver(t testing.TB) Resolver {
	return Files{os.DirFS(corpusFilter(t))}
}

func (c *testCase) program() []bpf.RawInstruction {
	raw := make([]bpf.RawInstruction, len(c.OptRaw))
	for i, r := range c.OptRaw {
		raw[i] = bpf.RawInstruction{Op: uint16(r[0]), Jt: uint8(r[1]), Jf: uint8(r[2]), K: r[3]}
	}
	return raw
}

// applies tells whether the case is about libpcap as it is on this machine. The
// others are about other systems, and libpcap's own tests leave them out here.
func (c *testCase) applies() bool {
	if c.Kind == "accept" && (strings.HasPrefix(c.Expr, "reason ") || strings.HasPrefix(c.Expr, "action ")) {
		return true // we know the names of all systems
	}
	switch c.SkipOnLinux {
	case "":
		return true
	case "little-endian":
		return !littleEndian()
	}
	return false
}

func (c *testCase) config(t testing.TB, r Resolver) *Config {
	t.Helper()
	link, err := ParseLinkType(c.DLT)
	require.NoError(t, err)
	cfg := &Config{LinkType: link, SnapLen: c.SnapLen, Live: c.LinuxExt, Resolver: r}
	if c.Netmask != "" {
		cfg.Netmask = netip.MustParseAddr(c.Netmask)
	}
	switch link {
	case LinkTypeNull, LinkTypeLoop, linkTypeEnc, linkTypePFLog:
		// What libpcap compiles without a file at hand is for this machine's
		// own address families, as for a live capture.
		cfg.Live = cfg.Live || c.Offline == "" && c.Kind == "accept"
	}
	return cfg
}
