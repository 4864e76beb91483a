package rotate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/rotate"
)

func TestParseName(t *testing.T) {
	at := time.Date(2026, 11, 23, 13, 4, 5, 0, time.UTC)
	tests := []struct {
		file string
		set  string
		seq  uint64
		ext  string
	}{
		{"docker0-20261123T130405Z-000001.pcapng", "docker0", 1, ".pcapng"},
		{"docker0-20261123T130405Z-000001.pcapng.zst", "docker0", 1, ".pcapng.zst"},
		{"docker0-20261123T130405Z-000001.pcap.gz", "docker0", 1, ".pcap.gz"},
		{"docker0-20261123T130405Z-1000000.pcap", "docker0", 1000000, ".pcap"},
		{"docker0-20261123T130405Z-18446744073709551615.pcap", "docker0", 18446744073709551615, ".pcap"},
		{"br-1a2b3c-20261123T130405Z-000042.pcapng", "br-1a2b3c", 42, ".pcapng"},
		{"eth0.100-20261123T130405Z-000042.pcapng", "eth0.100", 42, ".pcapng"},
		{"a.b-c.d-20261123T130405Z-000042.pcapng", "a.b-c.d", 42, ".pcapng"},
		{"eth0+lo@x_y-20261123T130405Z-000042.cap", "eth0+lo@x_y", 42, ".cap"},
		// A set may be named like a file of another: it isn't the other's.
		{"a-20200101T000000Z-000009.x-20261123T130405Z-000042.pcapng", "a-20200101T000000Z-000009.x", 42, ".pcapng"},
		{"a-20261123T130405Z-000009-20261123T130405Z-000042.pcapng", "a-20261123T130405Z-000009", 42, ".pcapng"},
		{strings.Repeat("n", 100) + "-20261123T130405Z-000042.pcapng", strings.Repeat("n", 100), 42, ".pcapng"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			set, start, seq, ext, ok := rotate.ParseName(tt.file)
			assert.True(t, ok)
			assert.Equal(t, tt.set, set)
			assert.Equal(t, at, start)
			assert.Equal(t, tt.seq, seq)
			assert.Equal(t, tt.ext, ext)
		})
	}
}

func TestParseNameRefuses(t *testing.T) {
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
		set, start, seq, ext, ok := rotate.ParseName(file)
		assert.False(t, ok, "%q", file)
		assert.Zero(t, set, "%q", file)
		assert.Zero(t, start, "%q", file)
		assert.Zero(t, seq, "%q", file)
		assert.Zero(t, ext, "%q", file)
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("docker0-20261123T130405Z-000001.pcapng")
	f.Add("a.b-c-20261123T130405Z-1000000.pcap.zst")
	f.Add("a\nb-20261123T130405Z-000001.pcapng")
	f.Fuzz(func(t *testing.T, file string) {
		set, start, seq, ext, ok := rotate.ParseName(file)
		if !ok {
			assert.Empty(t, set+ext)
			return
		}
		assert.NoError(t, rotate.CheckName(set))
		assert.NotContains(t, file, "/")
		assert.NotContains(t, file, "\n")
		assert.True(t, strings.HasPrefix(file, set+"-"))
		assert.True(t, strings.HasSuffix(file, ext))
		assert.Zero(t, start.Nanosecond())
		_ = seq
	})
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"docker0", "br-1a2b", "eth0.100", "a", "A_b@c+d", "9", "_x", strings.Repeat("n", 100)} {
		assert.NoError(t, rotate.CheckName(name), "%q", name)
	}
	for _, name := range []string{"", ".", "..", ".x", "-x", "a/b", "a b", "a\nb", "a\x00", "ä", "a:b", "a*", strings.Repeat("n", 101)} {
		assert.Error(t, rotate.CheckName(name), "%q", name)
	}
}
