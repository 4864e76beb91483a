package docker

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// TestGate has a gate be asked for all that a client may try: a server in the engine's place
// sees the questions of this package, and no others.
func TestGate(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	var mu sync.Mutex
	var asked []string
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.RequestURI)
		mu.Unlock()
		if r.URL.Path == "/networks/none" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, "[]") // the gate may have gone
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }() // until it is closed
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	g, err := StartGate(testenv.Netcap(t))
	require.NoError(t, err)
	e, err := FromEnvironment()
	require.NoError(t, err)
	e.Through(g)

	for _, endpoint := range []string{"/containers/json", "/containers/a%20b/json", "/networks", "/networks/x%3Fy", "/events?filters=%7B%7D"} {
		body, err := e.open(t.Context(), endpoint)
		require.NoError(t, err, endpoint)
		require.NoError(t, body.Close())
	}
	_, err = e.open(t.Context(), "/networks/none")
	require.ErrorIs(t, err, ErrNotFound)
	want := []string{
		"GET /containers/json", "GET /containers/a%20b/json", "GET /networks", "GET /networks/x%3Fy", "GET /events?filters=%7B%7D", "GET /networks/none",
	}
	assert.Equal(t, want, asked)

	client := http.Client{Transport: e.client.Transport}
	for _, try := range [][2]string{
		{"POST", "/containers/create"},
		{"POST", "/containers/x/exec"},
		{"DELETE", "/containers/x"},
		{"PUT", "/containers/x/archive"},
		{"POST", "/containers/json"},
		{"CONNECT", "/events"},
		{"GET", "/containers/x/archive?path=/"},
		{"GET", "/containers/x/attach/ws"},
		{"GET", "/info"},
		{"GET", "/containers/..%2Fx/json"},
		{"GET", "/networks/a%2F..%2F..%2Fcontainers%2Fx%2Fattach%2Fws"},
		{"GET", "/networks/.."},
		{"GET", "/v1.41/containers/json"},
	} {
		u, err := url.Parse("http://docker" + try[1])
		require.NoError(t, err)
		answer, err := client.Do((&http.Request{Method: try[0], URL: u}).WithContext(t.Context()))
		if err != nil {
			continue // as well
		}
		assert.GreaterOrEqual(t, answer.StatusCode, 300, try)
		require.NoError(t, answer.Body.Close())
	}
	assert.Equal(t, want, asked)

	require.NoError(t, server.Close())
	<-served
	_, err = e.open(t.Context(), "/networks")
	assert.ErrorContains(t, err, "the Docker engine doesn't answer on "+socket)
	require.NoError(t, g.Close())
	_, err = e.open(context.Background(), "/networks")
	assert.ErrorContains(t, err, "the process that asks Docker doesn't answer, or has ended")
}

// TestGateForbidden asks an engine that the gate's user may not ask.
func TestGateForbidden(t *testing.T) {
	err := gateErrorOf(http.StatusForbidden, []byte("the socket: needs root\n"))
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.EqualError(t, err, "the socket: needs root")
	assert.NotErrorIs(t, gateErrorOf(http.StatusBadGateway, []byte("x")), fs.ErrPermission)
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	assert.ErrorContains(t, GateMain(null), "docker-gate is started by a capture: ")
}
