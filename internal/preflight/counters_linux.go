package preflight

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jsimonetti/rtnetlink/v2"

	"netcap/capture"
)

type traffic struct{ bytes, packets uint64 }

// counters sums up what interfaces received and sent. Of all interfaces the loopback
// is counted once, since its packets are seen once.
func counters(names []string) (sum traffic, err error) {
	conn, err := rtnetlink.Dial(nil)
	if err != nil {
		return sum, err
	}
	defer conn.Close()
	links, err := conn.Link.List()
	if err != nil {
		return sum, fmt.Errorf("the interfaces' counters: %w", err)
	}
	all := slices.Contains(names, capture.Any)
	for i := range links {
		a := links[i].Attributes
		if a == nil || a.Stats64 == nil || !all && !slices.Contains(names, a.Name) {
			continue
		}
		sum.bytes += a.Stats64.RXBytes
		sum.packets += a.Stats64.RXPackets
		if links[i].Flags&uint32(net.FlagLoopback) == 0 || a.Name != "lo" {
			sum.bytes += a.Stats64.TXBytes
			sum.packets += a.Stats64.TXPackets
		}
	}
	return sum, nil
}

// availableMemory is what the machine has without others having to give, in bytes.
func availableMemory() (int64, bool) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	has := int64(-1)
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) >= 2 && fields[0] == "MemAvailable:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				has = kib << 10
			}
		}
	}
	return has, has >= 0
}
