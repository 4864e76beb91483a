package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"netcap/internal/diagnosis"
	"netcap/internal/input"
	"netcap/internal/printable"
	"netcap/internal/priority"
	"netcap/internal/sandbox"
	"netcap/internal/seqpacket"
)

// Main is the process that reads: it takes files from the socket, writes lines to out, and
// complaints of what it can't read to errs. Before it reads anything it gives up all that
// it could do beside that.
func Main(socket *os.File, out, errs io.Writer) error {
	_ = priority.LowerProcess() // at its own priority it does no harm either
	conn, err := seqpacket.Conn(socket)
	if err != nil {
		return fmt.Errorf("%s is started by a capture with --dicom-journal: %w", Argument, err)
	}
	defer conn.Close()
	result, err := sandbox.Isolate()
	if err != nil {
		return err
	}
	for _, lack := range result.Lacks {
		fmt.Fprintln(errs, "not enforced: "+lack)
	}
	r := &reader{conn: conn, out: bufio.NewWriter(out), errs: errs, files: make(chan *growing, 1)}
	cfg := &diagnosis.Config{}
	cfg.Live(r.write)
	r.analysis = diagnosis.New(cfg)
	go r.receive()
	if err := r.run(); err != nil {
		return err
	}
	r.analysis.Close()
	return errors.Join(r.err, r.out.Flush())
}

// reader reads files and writes lines.
type reader struct {
	conn     *net.UnixConn
	files    chan *growing
	analysis *diagnosis.Analysis
	out      *bufio.Writer
	errs     io.Writer
	err      error // of writing
}

// receive takes files, and word of which are whole.
func (r *reader) receive() {
	defer close(r.files)
	var current *growing
	whole := func() {
		if current != nil {
			close(current.whole)
			current = nil
		}
	}
	defer whole()
	for {
		kind, path, f, err := receive(r.conn)
		if err != nil {
			return
		}
		whole()
		if kind == giveFile && f != nil {
			current = &growing{path: path, f: f, whole: make(chan struct{})}
			r.files <- current
		}
	}
}

// run reads all files.
func (r *reader) run() error {
	for {
		if err := send(r.conn, askNext, "", nil); err != nil {
			return nil // who captures has gone
		}
		g, ok := <-r.files
		if !ok {
			return r.err
		}
		if err := r.read(g); err != nil {
			// The next one can perhaps be read.
			fmt.Fprintln(r.errs, err)
		}
		if r.err != nil {
			return r.err
		}
	}
}

// read reads a file to its end.
func (r *reader) read(g *growing) error {
	defer g.f.Close()
	f, err := input.Open("-", g)
	if err != nil {
		return fmt.Errorf("%s: %w", g.path, errors.Unwrap(err))
	}
	defer f.Close()
	if f.Compression == input.None { // otherwise another goroutine reads, and doesn't wait
		g.waiting = func(waited time.Duration) {
			r.analysis.Waited(waited)
			r.flush()
		}
	}
	file := r.analysis.File(g.path)
	for {
		p, err := f.Next()
		if errors.Is(err, io.EOF) {
			r.flush()
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", g.path, err)
		}
		r.analysis.Names(file, f.Names())
		r.analysis.Add(file, p)
	}
}

// keyOf tells a connection from others, though it is read from a later file on, where its
// sides may seem exchanged.
func keyOf(ended time.Time, client, server diagnosis.Endpoint) string {
	one, other := client.AddrPort(), server.AddrPort()
	if one.Compare(other) > 0 {
		one, other = other, one
	}
	return fmt.Sprintf("%d/%s/%s", ended.UnixNano(), one, other)
}

// keyOfLine is the key of a line of the journal, "" for one that has none.
func keyOfLine(line []byte) string {
	type side struct {
		Address netip.Addr `json:"address"`
		Port    uint16     `json:"port"`
	}
	type talk struct {
		End    time.Time `json:"ended"`
		Client side      `json:"client"`
		Server side      `json:"server"`
	}
	var e struct {
		talk
		Connection *talk `json:"connection"`
		Findings   []struct {
			ID    string    `json:"id"`
			First time.Time `json:"first"`
		} `json:"findings"`
	}
	if json.Unmarshal(line, &e) != nil {
		return ""
	}
	t := &e.talk
	if e.Connection != nil {
		t = e.Connection
	}
	switch {
	case t.Client.Address.IsValid():
		return keyOf(t.End, diagnosis.Endpoint{Address: t.Client.Address, Port: t.Client.Port}, diagnosis.Endpoint{Address: t.Server.Address, Port: t.Server.Port})
	case len(e.Findings) > 0:
		return keyOfFinding(e.Findings[0].First, e.Findings[0].ID)
	}
	return ""
}

// keyOfFinding tells a finding that is of no connection from others.
func keyOfFinding(first time.Time, id string) string {
	return fmt.Sprintf("%d/%s", first.UnixNano(), id)
}

// write writes a line, behind its key.
func (r *reader) write(e *diagnosis.Entry) {
	key := ""
	switch {
	case e.Association != nil:
		key = keyOf(e.Association.End, e.Association.Client, e.Association.Server)
	case e.Connection != nil:
		key = keyOf(e.Connection.End, e.Connection.Client, e.Connection.Server)
	default:
		key = keyOfFinding(e.Findings[0].First, e.Findings[0].ID)
	}
	_, err := fmt.Fprint(r.out, key, " ")
	r.fail(err)
	// Journals are looked at on terminals too.
	lines := json.NewEncoder(printable.JSON{W: r.out})
	lines.SetEscapeHTML(false)
	r.fail(lines.Encode(e))
}

func (r *reader) flush() { r.fail(r.out.Flush()) }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// growing reads a file until it is whole and at its end.
type growing struct {
	path  string
	f     *os.File
	whole chan struct{} // closed when it doesn't grow any more
	// waiting is called while more is waited for, with how long it was by now, if it isn't
	// nil.
	waiting func(waited time.Duration)
}

// pollInterval is how often one looks whether a file has grown.
const pollInterval = 200 * time.Millisecond

// Read implements io.Reader.
func (g *growing) Read(b []byte) (int, error) {
	for last, began := false, time.Now(); ; {
		n, err := g.f.Read(b)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) || last {
			return n, err
		}
		if g.waiting != nil {
			g.waiting(time.Since(began))
		}
		select {
		case <-g.whole:
			last = true // what was written before that may not be read yet
		case <-time.After(pollInterval):
		}
	}
}
