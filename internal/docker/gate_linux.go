package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/priority"
	"netcap/internal/sandbox"
	"netcap/internal/seqpacket"
)

// GateArgument makes a netcap that is started with it run GateMain.
const GateArgument = "docker-gate"

// A Gate is a process through which one that is confined asks the engine. Who can write to
// the engine's socket can become root: the gate asks the few questions of this package, and
// no others.
type Gate struct {
	conn *net.UnixConn
	cmd  *exec.Cmd
}

// StartGate starts the gate of the engine that FromEnvironment returns; program is what runs
// GateMain.
func StartGate(program string) (*Gate, error) {
	ours, theirs, err := seqpacket.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	g := &Gate{conn: ours, cmd: exec.Command(program, GateArgument)}
	g.cmd.Stdin = theirs
	g.cmd.Env = []string{"DOCKER_HOST=" + os.Getenv("DOCKER_HOST")}
	// Ctrl-C at the terminal isn't for it: it ends with who asks.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := g.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the process that asks Docker: %w", err), ours.Close())
	}
	return g, nil
}

// Close ends the gate.
func (g *Gate) Close() error {
	err := g.conn.Close()
	stop := time.AfterFunc(patience, func() { _ = g.cmd.Process.Kill() }) // it may end just then
	defer stop.Stop()
	return errors.Join(err, g.cmd.Wait())
}

// Through has the engine be asked by a gate from now on.
func (e *Engine) Through(g *Gate) {
	e.gated = true
	e.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: g.dial}
}

// dial gives the gate one end of a pair of sockets.
func (g *Gate) dial(context.Context, string, string) (net.Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	err = g.conn.SetWriteDeadline(time.Now().Add(patience))
	if err == nil {
		_, _, err = g.conn.WriteMsgUnix([]byte{0}, unix.UnixRights(fds[1]), nil)
	}
	f := os.NewFile(uintptr(fds[0]), "gate")
	defer f.Close()
	if err = errors.Join(err, unix.Close(fds[1])); err != nil {
		return nil, fmt.Errorf("the process that asks Docker doesn't answer, or has ended: %v: start the capture again", err)
	}
	return net.FileConn(f)
}

// GateMain is the gate, with the socket to who asks.
func GateMain(socket *os.File) error {
	conn, err := seqpacket.Conn(socket)
	if err != nil {
		return fmt.Errorf("%s is started by a capture: %w", GateArgument, err)
	}
	defer conn.Close()
	// Who stops a service sends signals to all its processes: it ends with who asks.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	_ = priority.LowerProcess() // at its own priority it does no harm either
	engine, err := FromEnvironment()
	if err != nil {
		return err
	}
	if _, err := sandbox.Connect(filepath.Dir(engine.socket)); err != nil {
		return err
	}
	server := &http.Server{Handler: engine.questions(), ReadHeaderTimeout: patience}
	if err := server.Serve(&handed{conn}); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// questions are what a gate asks.
func (e *Engine) questions() http.Handler {
	mux := http.NewServeMux()
	plain := func(path string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { e.pass(w, r, path) })
	}
	named := func(before, after string) {
		mux.HandleFunc("GET "+before+"{name}"+after, func(w http.ResponseWriter, r *http.Request) {
			name := r.PathValue("name")
			if strings.ContainsAny(name, "/\\") || strings.Trim(name, ".") == "" {
				http.NotFound(w, r)
				return
			}
			e.pass(w, r, before+url.PathEscape(name)+after)
		})
	}
	plain("/containers/json")
	plain("/networks")
	named("/containers/", "/json")
	named("/networks/", "")
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		e.pass(w, r, "/events?filters="+url.QueryEscape(r.URL.Query().Get("filters")))
	})
	return mux
}

// pass asks the engine and passes on what it answers, as it comes.
func (e *Engine) pass(w http.ResponseWriter, r *http.Request, endpoint string) {
	body, err := e.open(r.Context(), endpoint)
	switch {
	case err == nil:
	case errors.Is(err, ErrNotFound):
		http.NotFound(w, r)
		return
	case errors.Is(err, fs.ErrPermission):
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	default:
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer body.Close()
	out := http.NewResponseController(w)
	_ = out.Flush() // events may be long in coming
	b := make([]byte, 32<<10)
	for {
		n, err := body.Read(b)
		if _, writeErr := w.Write(b[:n]); err != nil || writeErr != nil {
			return
		}
		_ = out.Flush() // or the next write fails
	}
}

// handed are connections that come over a socket: a net.Listener.
type handed struct{ *net.UnixConn }

func (h *handed) Accept() (net.Conn, error) {
	for {
		c, err := h.next()
		if err != nil || c != nil {
			return c, err
		}
	}
}

// next takes the next message: nil if no connection is in it.
func (h *handed) next() (net.Conn, error) {
	oob := make([]byte, unix.CmsgSpace(4)) // of one descriptor
	n, oobn, _, _, err := h.ReadMsgUnix(make([]byte, 1), oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, nil
	}
	f := os.NewFile(uintptr(fds[0]), "connection")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil { // no socket
		return nil, nil
	}
	return c, nil
}

func (h *handed) Addr() net.Addr { return h.LocalAddr() }
