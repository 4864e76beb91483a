package fileset_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/fileset"
)

func TestParse(t *testing.T) {
	at := time.Date(2026, 11, 23, 13, 4, 5, 0, time.UTC)
	tests := []struct {
		file   string
		set    string
		seq    uint64
		ext    string
		suffix string
	}{
		{"docker0-20261123T130405Z-000001.pcapng", "docker0", 1, ".pcapng", ""},
		{"docker0-20261123T130405Z-000001.pcapng.zst", "docker0", 1, ".pcapng", ".zst"},
		{"docker0-20261123T130405Z-000001.pcap.gz", "docker0", 1, ".pcap", ".gz"},
		{"docker0-20261123T130405Z-1000000.pcap", "docker0", 1000000, ".pcap", ""},
		{"docker0-20261123T130405Z-18446744073709551615.pcap", "docker0", 18446744073709551615, ".pcap", ""},
		{"br-1a2b3c-20261123T130405Z-000042.pcapng", "br-1a2b3c", 42, ".pcapng", ""},
		{"eth0.100-20261123T130405Z-000042.pcapng", "eth0.100", 42, ".pcapng", ""},
		{"a.b-c.d-20261123T130405Z-000042.pcapng", "a.b-c.d", 42, ".pcapng", ""},
		{"eth0+lo@x_y-20261123T130405Z-000042.cap", "eth0+lo@x_y", 42, ".cap", ""},
		// What netcap makes of a file is appended, and what people do is part of the extension.
		{"x-20261123T130405Z-000001.pcapng.zst.gz", "x", 1, ".pcapng", ".zst.gz"},
		{"x-20261123T130405Z-000001.pcapng.xz", "x", 1, ".pcapng.xz", ""},
		{"x-20261123T130405Z-000001.pcapng.txt.gz", "x", 1, ".pcapng.txt", ".gz"},
		{"x-20261123T130405Z-000001.gz", "x", 1, ".gz", ""},
		// A set may be named like a file of another: it isn't the other's.
		{"a-20200101T000000Z-000009.x-20261123T130405Z-000042.pcapng", "a-20200101T000000Z-000009.x", 42, ".pcapng", ""},
		{"a-20261123T130405Z-000009-20261123T130405Z-000042.pcapng", "a-20261123T130405Z-000009", 42, ".pcapng", ""},
		{strings.Repeat("n", 100) + "-20261123T130405Z-000042.pcapng", strings.Repeat("n", 100), 42, ".pcapng", ""},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			f, ok := fileset.Parse(tt.file)
			assert.True(t, ok)
			assert.Equal(t, fileset.File{Set: tt.set, Start: at, Seq: tt.seq, Ext: tt.ext, Suffix: tt.suffix}, f)
			assert.Equal(t, tt.file, f.String())
			assert.Equal(t, tt.file, f.Begun().String()+tt.suffix)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, file := range []string{
		"", ".", "..", ".pcapng", "docker0", "docker0.pcapng", "capture.pcap.1",
		".docker0.lock",
		"docker0-20261123T130405Z-000001",                            // no extension
		"docker0-20261123T130405Z-000001.",                           // none after the dot
		"docker0-20261123T130405Z-00001.pcapng",                      // five digits
		"docker0-20261123T130405Z-0000001.pcapng",                    // seven, the first a zero
		"docker0-20261123T130405Z-+00001.pcapng",                     // a sign
		"docker0-20261123T130405Z-00000a.pcapng",                     // a letter
		"docker0-20261123T130405Z-18446744073709551616.pcapng",       // 2^64
		"docker0-20261123T130405Z-.pcapng",                           // no number
		"docker0-20261123T130405Z.pcapng",                            // neither
		"docker0-20261323T130405Z-000001.pcapng",                     // month 13
		"docker0-20261123T250405Z-000001.pcapng",                     // hour 25
		"docker0-20261123T130405.5Z-000001.pcapng",                   // fraction
		"docker0-20261123T130405-000001.pcapng",                      // no zone
		"docker0-20261123t130405z-000001.pcapng",                     // lower case
		"docker0_20261123T130405Z_000001.pcapng",                     // underscores
		"docker0-20261123T130405Z-000001 .pcapng",                    // space
		"-20261123T130405Z-000001.pcapng",                            // no name
		"--20261123T130405Z-000001.pcapng",                           // a name of a dash
		".hidden-20261123T130405Z-000001.pcapng",                     // a name with a dot first
		"a/b-20261123T130405Z-000001.pcapng",                         // a path
		"a\nb-20261123T130405Z-000001.pcapng",                        // a newline in the name
		"docker0-20261123T130405Z-000001.pcapng\n",                   // and behind
		"docker0-20261123T130405Z-000001.\x1b[2J",                    // a terminal's escape
		"dockér-20261123T130405Z-000001.pcapng",                      // not ASCII
		strings.Repeat("x", 255),                                     // as long as can be
		strings.Repeat("n", 223) + "-20261123T130405Z-000001.pcapng", // 255 with all the rest right
	} {
		f, ok := fileset.Parse(file)
		assert.False(t, ok, "%q", file)
		assert.Zero(t, f, "%q", file)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("docker0-20261123T130405Z-000001.pcapng")
	f.Add("a.b-c-20261123T130405Z-1000000.pcap.zst")
	f.Add("a\nb-20261123T130405Z-000001.pcapng")
	f.Fuzz(func(t *testing.T, file string) {
		f, ok := fileset.Parse(file)
		if !ok {
			assert.Zero(t, f)
			return
		}
		assert.Equal(t, file, f.String())
		assert.NoError(t, fileset.CheckName(f.Set))
		assert.NotContains(t, file, "/")
		assert.NotContains(t, file, "\n")
		assert.True(t, strings.HasPrefix(file, f.Set+"-"))
		assert.True(t, strings.HasSuffix(file, f.Ext+f.Suffix))
		assert.Zero(t, f.Start.Nanosecond())
	})
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"docker0", "br-1a2b", "eth0.100", "a", "A_b@c+d", "9", "_x", strings.Repeat("n", 100)} {
		assert.NoError(t, fileset.CheckName(name), "%q", name)
	}
	for _, name := range []string{"", ".", "..", ".x", "-x", "a/b", "a b", "a\nb", "a\x00", "ä", "a:b", "a*", strings.Repeat("n", 101)} {
		assert.Error(t, fileset.CheckName(name), "%q", name)
	}
}
