package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"netcap/internal/testenv"
)

func TestService(t *testing.T) {
	h := newOperated(t)
	unit := h.does("service", "show", "-i", "c0", "--disk-budget", "200GB", "--log-file", "/data/log/x.log", "tcp", "port", "104")
	assert.Contains(t, unit, "\nExecStart="+testenv.Netcap(t)+" --dir /var/lib/netcap/c0 --pid-file /run/netcap/c0.pid --name c0 -i c0 --disk-budget 200GB --log-file /data/log/x.log tcp port 104\n")
	assert.Contains(t, unit, "\nDescription=netcap capture c0 on c0\n")
	assert.Contains(t, unit, "\nReadWritePaths=/data/log\n")
	assert.NotContains(t, unit, "SupplementaryGroups")
	unit = h.does("service", "show", "-i", "container:pacs", "-i", "docker:lab/dev", "--name", "pacs")
	assert.Contains(t, unit, "\nSupplementaryGroups=docker\n")
	assert.Contains(t, unit, " --name pacs -i container:pacs -i docker:lab/dev --name pacs\n")
	for _, tt := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"service"}, 2, "netcap: install, show or uninstall? see: netcap service --help\n"},
		{[]string{"service", "show", "-i", "c0", "-w", "-"}, 2, "netcap: -w - is a stream: it has nowhere to go from a service\n"},
		{[]string{"service", "show", "-i", "c0", "--dir", "here"}, 2, "netcap: a service has no directory of its own: give paths that begin with /\n"},
		{[]string{"service", "show", "-i", "c0", "-r", "x"}, 2, "netcap: -r, -d and -y don't capture: there is nothing for a service to do\n"},
		{[]string{"service", "show", "--bogus"}, 2, "netcap: unknown flag: --bogus; see: netcap service show --help\n"},
		{[]string{"service", "install", "-i", "c0"}, 1, "netcap: systemd doesn't run this machine: netcap start captures without it\n"},
		{[]string{"service", "uninstall", "c0"}, 1, "netcap: systemd doesn't run this machine: netcap start captures without it\n"},
		{[]string{"service", "uninstall"}, 2, "netcap: which one? netcap service uninstall NAME [flags]\n"},
		{[]string{"service", "uninstall", "../x"}, 2, "netcap: name \"../x\": only letters, digits and -_.@+ may be used\n"},
	} {
		status, stdout, stderr := h.netcap(tt.args...) // whose /run has no systemd
		assert.Equal(t, tt.status, status, tt.args)
		assert.Empty(t, stdout)
		assert.Equal(t, tt.stderr, stderr)
	}
}
