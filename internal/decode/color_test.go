package decode_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

var sgr = regexp.MustCompile(`\x1b\[[0-9]+m`)

func TestColors(t *testing.T) {
	p := decode.Printer{Location: time.UTC, Colors: true}
	reset := packet(t, 1, macs+"0800"+ip4TCP+strings.Replace(tcpPSH, "8018", "8014", 1)+data4)
	assert.Equal(t, "\x1b[2m13:04:05.123456 \x1b[0m\x1b[1mIP \x1b[0m172.17.0.1.40312 > 172.17.0.2.104: "+
		"Flags [\x1b[31mR.\x1b[0m], seq 1:5, ack 1, win 502, options [nop,nop,TS val 100 ecr 200], length 4",
		string(p.Append(nil, reset)))
	unreachable := packet(t, 101, "45000038 00010000 40010000 0a000002 0a000001 0303 0000 00000000"+ip4UDP+udp4)
	assert.Contains(t, string(p.Append(nil, unreachable)), "\x1b[31m10.0.0.2 udp port 4660 unreachable\x1b[0m, length 36")
}

// TestColorsAreAllThatColorsAdd strips the control sequences again.
func TestColorsAreAllThatColorsAdd(t *testing.T) {
	colored := 0
	for _, path := range captures(t) {
		plain := decode.Printer{Location: time.UTC, LinkHeader: true, Verbose: 2}
		colors := plain
		colors.Colors = true
		each(t, path, func(n int, pk *pcapfile.Packet) bool {
			want, got := string(plain.Append(nil, pk)), string(colors.Append(nil, pk))
			stripped := sgr.ReplaceAllString(got, "")
			if want != stripped {
				assert.Equal(t, want, stripped, "%s packet %d", path, n)
			}
			last := sgr.FindAllString(got, -1)
			if len(last) > 0 {
				colored++
				assert.Equal(t, "\x1b[0m", last[len(last)-1], "%s packet %d", path, n)
			}
			return true
		})
	}
	t.Logf("%d packets with colors", colored)
}
