package service

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// Words come back as systemd.syntax(7) and systemd.service(5) have them.
func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"-i":              "-i",
		"/var/lib/x":      "/var/lib/x",
		"":                `""`,
		"tcp port 104":    `"tcp port 104"`,
		`say "hi"`:        `"say \"hi\""`,
		`back\slash`:      `"back\\slash"`,
		"100%":            `"100%%"`,
		"$HOME":           `"$$HOME"`,
		"a;b":             `"a;b"`,
		"it's":            `"it's"`,
		"two\nlines":      `"two\x0alines"`,
		"tab\there":       `"tab\x09here"`,
		"tcp[13] & 2 !=0": `"tcp[13] & 2 !=0"`,
		"größe":           `"größe"`,
	} {
		assert.Equal(t, want, quote(word), word)
	}
}

func odd() *Capture {
	return &Capture{
		Name: "odd.name_1", Program: "/bin/true", Description: `100% "odd"`, Metrics: true, Writable: []string{"/tmp", "/home/with space"},
		Args: []string{"-i", "eth0", "--comment", `a "b" $HOME %h \ 'c'`, "tcp", "port", "104 or (port 105)", ""},
	}
}

// systemd understands the unit, finds nothing in it that it doesn't know, and calls its
// exposure low.
func TestUnit(t *testing.T) {
	analyze := testenv.Program(t, "systemd-analyze")
	for _, c := range []*Capture{{Name: "x", Program: "/bin/true", Description: "d"}, odd()} {
		text, err := Unit(c)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), UnitName(c.Name))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		out, err := exec.Command(analyze, "verify", path).CombinedOutput()
		assert.NoError(t, err, "%s", out)
		assert.NotContains(t, string(out), filepath.Base(path), "%s", text)
		// The threshold is ten times the exposure: up to 2.5 of 10.
		out, err = exec.Command(analyze, "security", "--offline=true", "--threshold=25", path).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

// An instance of the template is as confined as a unit of its own.
func TestTemplate(t *testing.T) {
	template, err := Template("/usr/bin/netcap")
	require.NoError(t, err)
	plain, err := Unit(&Capture{Name: "x", Program: "/usr/bin/netcap", Description: "d"})
	require.NoError(t, err)
	for line := range strings.Lines(plain) {
		if line != mark+"\n" && !strings.HasPrefix(line, "Description=") && !strings.HasPrefix(line, "ExecStart=") {
			assert.Contains(t, template, "\n"+line)
		}
	}
	analyze := testenv.Program(t, "systemd-analyze")
	template, err = Template("/bin/true")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "netcap@.service"), []byte(template), 0o644))
	out, err := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, "netcap@br-1.service")).CombinedOutput()
	assert.NoError(t, err, "%s", out)
	assert.NotContains(t, string(out), "netcap@br-1.service:", "%s", template)
}

func TestWritable(t *testing.T) {
	plain, err := Unit(&Capture{Name: "x", Program: "/bin/true"})
	require.NoError(t, err)
	assert.Contains(t, plain, "\nPrivateTmp=yes\n")
	assert.Contains(t, plain, "\nProtectHome=yes\n")
	assert.Contains(t, plain, "\nRestrictAddressFamilies=AF_PACKET AF_NETLINK AF_UNIX\n")
	text, err := Unit(odd())
	require.NoError(t, err)
	assert.NotContains(t, text, "PrivateTmp", "it would hide the files")
	assert.NotContains(t, text, "ProtectHome")
	assert.Contains(t, text, "\nReadWritePaths=/tmp\nReadWritePaths=\"/home/with space\"\n")
	assert.Contains(t, text, "AF_UNIX AF_INET AF_INET6\n")
}

// machine is one whose programs are noted, and whose services run.
func machine(t *testing.T) (*System, *[]string) {
	root, calls := t.TempDir(), &[]string{}
	for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system"} {
		require.NoError(t, os.MkdirAll(root+dir, 0o755))
	}
	return &System{Root: root, Run: func(program string, args ...string) error {
		if program == "systemctl" { // and useradd, where this machine has no such user
			*calls = append(*calls, strings.Join(args, " "))
		}
		return nil
	}}, calls
}

func TestInstall(t *testing.T) {
	s, calls := machine(t)
	c := &Capture{Name: "x", Program: "/bin/true", Description: "d"}
	require.NoError(t, s.Install(c))
	want, err := Unit(c)
	require.NoError(t, err)
	got, err := os.ReadFile(s.Root + "/etc/systemd/system/netcap-x.service")
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
	c.Args = []string{"-v"}
	require.NoError(t, s.Install(c), "again")
	again, err := os.ReadFile(s.Path("x"))
	require.NoError(t, err)
	assert.Contains(t, string(again), "ExecStart=/bin/true -v\n")
	require.NoError(t, s.Uninstall("x"))
	assert.Equal(t, []string{
		"daemon-reload", "enable netcap-x.service", "restart netcap-x.service",
		"daemon-reload", "enable netcap-x.service", "restart netcap-x.service",
		"disable --now netcap-x.service", "daemon-reload",
	}, *calls)
	left, err := os.ReadDir(s.Root + "/etc/systemd/system")
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.ErrorIs(t, s.Uninstall("x"), fs.ErrNotExist)
}

// Others' units, and links, are left alone.
func TestForeignUnit(t *testing.T) {
	s, calls := machine(t)
	require.NoError(t, os.WriteFile(s.Path("x"), []byte("[Unit]\n"), 0o644))
	require.NoError(t, os.Symlink(s.Path("x"), s.Path("y")))
	for _, name := range []string{"x", "y"} {
		assert.ErrorContains(t, s.Install(&Capture{Name: name, Program: "/bin/true"}), "was not written by netcap service install")
		assert.ErrorContains(t, s.Uninstall(name), "was not written by netcap service install")
	}
	b, err := os.ReadFile(s.Path("x"))
	require.NoError(t, err)
	assert.Equal(t, "[Unit]\n", string(b))
	assert.Empty(t, *calls)
}

func TestInstallFails(t *testing.T) {
	s, _ := machine(t)
	s.Run = func(_ string, args ...string) error {
		if args[0] == "restart" {
			return errors.New("exit status 1")
		}
		return nil
	}
	assert.ErrorContains(t, s.Install(&Capture{Name: "x", Program: "/bin/true"}), "doesn't run: exit status 1: see journalctl -u netcap-x.service")
	assert.ErrorIs(t, (&System{Root: t.TempDir()}).Install(&Capture{Name: "x"}), ErrNoSystemd)
}
