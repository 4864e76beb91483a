package filter

import (
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFiles(t *testing.T) {
	f := Files{fstest.MapFS{
		"hosts":     {Data: []byte("# hosts\n192.0.2.1\tpacs pacs.example # a comment\n2001:db8::1 PACS\nfe80::1%eth0 scoped\nnonsense pacs\n")},
		"networks":  {Data: []byte("ward 10.1\nwhole 10.1.2.3 alias\nbad 10.300\nlonely\n")},
		"ethers":    {Data: []byte("0:1:2:a:b:c pacs\nnonsense other\n")},
		"services":  {Data: []byte("dicom 11112/tcp dicom-scp\ndicom 11112/udp\nhttp 8080/tcp\nbad x/tcp\n")},
		"protocols": {Data: []byte("homa 146 HOMA\nbad 300\n")},
	}}
	addrs, err := f.Host("PACS")
	require.NoError(t, err)
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, addrs)
	addrs, err = f.Host("scoped")
	require.NoError(t, err)
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("fe80::1")}, addrs)

	network, err := f.Network("ward")
	require.NoError(t, err)
	assert.Equal(t, netip.MustParsePrefix("10.1.0.0/16"), network)
	network, err = f.Network("alias")
	require.NoError(t, err)
	assert.Equal(t, netip.MustParsePrefix("10.1.2.3/32"), network)

	ether, err := f.Ether("pacs")
	require.NoError(t, err)
	assert.Equal(t, [6]byte{0, 1, 2, 10, 11, 12}, ether)

	for name, want := range map[string]uint16{"dicom": 11112, "dicom-scp": 11112, "http": 8080, "ssh": 22} {
		port, err := f.Port("tcp", name)
		require.NoError(t, err)
		assert.Equal(t, want, port, name)
	}
	for name, want := range map[string]uint8{"HOMA": 146, "homa": 146, "udp": 17} {
		proto, err := f.Protocol(name)
		require.NoError(t, err)
		assert.Equal(t, want, proto, name)
	}

	for _, f := range []Files{f, {fstest.MapFS{}}, {}} {
		_, err = f.Host("nobody")
		assert.ErrorIs(t, err, ErrNoSuchName)
		_, err = f.Network("bad")
		assert.ErrorIs(t, err, ErrNoSuchName)
		_, err = f.Ether("other")
		assert.ErrorIs(t, err, ErrNoSuchName)
		_, err = f.Port("udp", "bad")
		assert.ErrorIs(t, err, ErrNoSuchName)
		_, err = f.Protocol("bad")
		assert.ErrorIs(t, err, ErrNoSuchName)
	}
}

// TestSystem compares with what the C library finds.
func TestSystem(t *testing.T) {
	getent := func(database, key string) []string {
		out, err := exec.Command("getent", database, key).Output()
		require.NoError(t, err, "getent %s %s", database, key)
		return strings.Fields(string(out))
	}
	addrs, err := System{}.Host("localhost")
	require.NoError(t, err)
	assert.Contains(t, addrs, netip.MustParseAddr("127.0.0.1"))
	for _, name := range []string{"tcp", "udp", "ospf", "icmp", "sctp"} {
		proto, err := System{}.Protocol(name)
		require.NoError(t, err)
		assert.Equal(t, getent("protocols", name)[1], strconv.Itoa(int(proto)))
	}
	for _, name := range []string{"http", "domain", "ssh", "ldap"} {
		port, err := System{}.Port("tcp", name)
		require.NoError(t, err)
		assert.Equal(t, getent("services", name+"/tcp")[1], strconv.Itoa(int(port))+"/tcp")
	}
	_, err = System{}.Port("tcp", "no-such-service")
	assert.ErrorIs(t, err, ErrNoSuchName)
	_, err = System{}.Network("no-such-network")
	assert.ErrorIs(t, err, ErrNoSuchName)
	_, err = System{}.Ether("no-such-host")
	assert.ErrorIs(t, err, ErrNoSuchName)
}
