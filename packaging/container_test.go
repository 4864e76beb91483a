package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// The image captures as its recipe says, confined as that says: the root file system
// read-only, one capability, Docker's seccomp profile.
func TestContainer(t *testing.T) {
	testenv.Root(t)
	capinfos := testenv.Program(t, "capinfos")
	here, peer := testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, peer, here, "p0", "c0")
	d := here.StartDocker(t)
	p := build(t)
	context := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(context, "dist"), 0o755))
	for _, name := range []string{"copyright", "netcap-linux-" + runtime.GOARCH} {
		require.NoError(t, os.Link(filepath.Join(p.new, name), filepath.Join(context, "dist", name)))
	}
	d.Run(t, "build", "--quiet", "--build-arg", "TARGETARCH="+runtime.GOARCH, "--file", "container/Dockerfile", "--tag", "netcap", context)
	captures := t.TempDir()
	d.Run(t, "run", "--detach", "--name", "netcap", "--network", "host", "--cap-drop", "ALL", "--cap-add", "NET_RAW",
		"--read-only", "--security-opt", "no-new-privileges", "--stop-timeout", "120",
		"--volume", captures+":/var/lib/netcap", "netcap", "-i", "c0", "--keep-free", "1", "udp")
	status := func() string {
		out, _ := exec.Command(testenv.Program(t, "docker"), "--host", d.Host, "exec", "netcap", "/usr/bin/netcap", "status", "--json").Output()
		return string(out)
	}
	require.Eventually(t, func() bool { return strings.Contains(status(), `"received"`) }, time.Minute, 100*time.Millisecond)
	pid := d.Run(t, "inspect", "--format", "{{.State.Pid}}", "netcap")
	process, err := os.ReadFile("/proc/" + pid + "/status")
	require.NoError(t, err)
	assert.Contains(t, string(process), "CapEff:\t0000000000002000\n", "CAP_NET_RAW is bit 13, capability.h")
	assert.Contains(t, string(process), "CapBnd:\t0000000000002000\n")
	assert.Contains(t, string(process), "Seccomp:\t2\n", "Docker's profile")
	const n = 1000
	require.Equal(t, n, peer.Flood(t, "p0", 200, n))
	require.Eventually(t, func() bool {
		return strings.Contains(status(), `"written":1000`) || strings.Contains(status(), `"written": 1000`)
	}, time.Minute, 100*time.Millisecond, "%s", status())
	d.Run(t, "stop", "netcap")
	assert.Equal(t, "0", d.Run(t, "inspect", "--format", "{{.State.ExitCode}}", "netcap"))
	fields := strings.Fields(run(t, capinfos, "-TrcM", one(t, captures, "c0", "*.pcapng")))
	count, err := strconv.Atoi(fields[len(fields)-1])
	require.NoError(t, err)
	assert.Equal(t, n, count)
	d.Run(t, "rm", "--volumes", "netcap")
}
