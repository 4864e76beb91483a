package preflight

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
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

// availableMemory is what this process can take without others having to give, in
// bytes.
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
	if limit, ok := cgroupLimit(); ok && (has < 0 || limit < has) {
		has = limit
	}
	return has, has >= 0
}

// cgroupLimit is the memory.max of the process's cgroup, or of one above, in bytes.
func cgroupLimit() (least int64, ok bool) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	path, found := strings.CutPrefix(strings.TrimSpace(string(b)), "0::")
	if !found {
		return 0, false
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", dir, "memory.max"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return least, ok
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && (!ok || n < least) {
			least, ok = n, true
		}
		if dir == "/" || dir == "." {
			return least, ok
		}
	}
}
