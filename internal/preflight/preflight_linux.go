package preflight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"netcap/capture"
	"netcap/internal/daemon"
	"netcap/internal/ownfile"
	"netcap/internal/record"
	"netcap/internal/sandbox"
	"netcap/rotate"
)

// Verdict is how a check ended.
type Verdict string

// Verdicts.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warning" // the capture will work, less well
	Fail Verdict = "failed"  // it won't
)

// Result is what a check found.
type Result struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	// Mend is what to do, empty where all is well.
	Mend string `json:"mend"`
	// Err is why a capture would fail.
	Err error `json:"-"`
}

// Config is what is to be captured.
type Config struct {
	*record.Config
	// PIDFile is where the PID file would be, "" for none.
	PIDFile string
	// Next is whom the capture becomes, nil for nobody else, and RootFor says why it stays
	// root's though it would become netcap's own user otherwise.
	Next    *rotate.Successor
	RootFor string
	// Journal is the path of the DICOM journal, and Command the program that is run for
	// each file, "" for none.
	Journal, Command string
	// LogFile is where the log would be, "" for none.
	LogFile string
	// Sandbox is what the capture keeps when it has begun, nil where nothing confines it.
	Sandbox *sandbox.Config
}

// Run checks everything that doesn't take time, as the user who runs it. The error of
// a capture that can't begin is in a Result.
func Run(c *Config) (results []Result, preview *rotate.Preview) {
	for _, name := range c.Interfaces {
		results = append(results, theInterface(c, name))
	}
	if r := theFilter(c); c.Filter != "" || r.Verdict != OK {
		results = append(results, r)
	}
	disk, preview := theDisk(c)
	results = append(results, disk...)
	if r, ok := theUser(c); ok {
		results = append(results, r)
	}
	if c.PIDFile != "" {
		results = append(results, thePIDFile(c.PIDFile))
	}
	if c.LogFile != "" {
		results = append(results, theLog(c.LogFile))
	}
	if c.Sandbox != nil {
		results = append(results, theSandbox(c.Sandbox))
	}
	results = append(results, theMemory(c, preview), theConfinement(), theClock())
	return results, preview
}

// theSandbox has a process confine itself as the capture would.
func theSandbox(c *sandbox.Config) Result {
	r := Result{Check: "sandbox", Verdict: OK}
	got, err := c.Try("/proc/self/exe")
	switch {
	case err != nil:
		r.Verdict, r.Text, r.Err = Fail, err.Error(), err
		r.Mend = "--no-sandbox does without"
	case len(got.Lacks) > 0:
		r.Verdict, r.Text = Warn, "not in one respect: "+strings.Join(got.Lacks, "; not in another: ")
		r.Mend = "nothing, for a capture works all the same; a newer kernel confines it better"
	default:
		r.Text = "the capture is confined by " + strings.Join(got.Enforced, ", ")
	}
	return r
}

// theInterface opens it as a capture would, and so proves capabilities and the
// kernel's ring too.
func theInterface(c *Config, name string) Result {
	r := Result{Check: "interface " + name, Verdict: OK}
	cfg := c.Capture
	device, err := c.Device(name)
	var h *capture.Handle
	if err == nil {
		cfg.Interface, cfg.Unfiltered = device, true // the filter is checked by itself
		h, err = capture.Open(&cfg)
	}
	switch {
	case errors.Is(err, capture.ErrNoInterface):
		r.Verdict, r.Text = Warn, err.Error()
		r.Mend = "correct -i if it is misspelt; a capture waits for it to come"
		return r
	case err != nil:
		r.Verdict, r.Text, r.Err = Fail, err.Error(), err
		return r
	}
	defer h.Close() //nolint:errcheck // nothing was captured
	mode, reason := h.Mode()
	r.Text = "can be captured by " + mode
	if device != name {
		r.Text = "is " + device + " now, which can be captured by " + mode
	}
	if reason != nil {
		r.Verdict, r.Text = Warn, fmt.Sprintf("is captured by %s: %v", mode, reason)
		r.Mend = "packets may be lost at high rates: see whether the kernel or a container's profile denies the ring"
	}
	if link, err := capture.LinkOf(device); err == nil && !link.Up {
		r.Verdict, r.Text, r.Mend = Warn, "is down", "ip link set "+device+" up; a capture waits for that"
	}
	return r
}

// theFilter compiles the filter for each interface and has the kernel take it, on a socket
// that receives nothing. Without one the kernel still tells directions apart.
func theFilter(c *Config) Result {
	r := Result{Check: "filter", Verdict: OK, Text: "is understood"}
	if c.Filter == "" {
		r.Text = "there is none"
	}
	for _, name := range c.Interfaces {
		device, err := c.Device(name)
		if err != nil {
			continue // the interface's own check says it
		}
		cfg := c.Capture
		cfg.Interface = device
		never, refused := false, error(nil)
		if c.Filter != "" {
			p, err := record.CompileFilter(c.Filter, device, c.Capture.SnapLen)
			switch {
			case errors.Is(err, capture.ErrNoInterface):
				continue
			case err != nil:
				r.Verdict, r.Text, r.Err = Fail, err.Error(), err
				r.Mend = "see pcap-filter(7)"
				return r
			}
			never, refused = p.Never(), record.Refusal(p, device)
			cfg.Filter = p.Instructions()
		}
		if refused == nil {
			var e *capture.FilterError
			if err := capture.CheckFilter(&cfg); errors.As(err, &e) { // others are the interface's
				refused = e
			}
		}
		switch {
		case refused != nil:
			r.Verdict, r.Text = Warn, "runs in netcap, on every packet of "+name+", at a higher cost: "+refused.Error()
			r.Mend = record.Mend(refused)
		case r.Verdict != OK: // of an interface before
		case never:
			r.Verdict, r.Text, r.Mend = Warn, "accepts no packet on "+name, "netcap -d prints the program"
		case c.Filter != "":
			r.Text = fmt.Sprintf("is %d instructions in the kernel", len(cfg.Filter))
		}
	}
	return r
}

func theDisk(c *Config) ([]Result, *rotate.Preview) {
	r := Result{Check: "directory", Verdict: OK, Text: "a stream goes there"}
	if c.Files.Stream != nil {
		return []Result{r}, nil
	}
	p, err := rotate.LookFor(&c.Files, c.Next)
	if err != nil {
		r.Verdict, r.Text, r.Err = Fail, err.Error(), err
		return []Result{r}, nil
	}
	r.Text = c.Files.Dir + " can be written"
	if !p.Direct {
		r.Verdict, r.Text = Warn, c.Files.Dir+" can be written, through the page cache only"
		r.Mend = "tmpfs and some network file systems are like that: expect more CPU, and losses at high rates"
	}
	if c.Next != nil {
		r.Text += ", and by " + c.Next.Name
	}
	if p.Foreign != "" {
		r.Verdict, r.Text = Warn, p.Foreign
		r.Mend = "give them to the capture's user (chown), move them away, or choose another --name or --dir"
	}
	d := Result{Check: "disk", Verdict: OK}
	d.Text = fmt.Sprintf("%s of %s are free, %s are kept free", rotate.Size(p.Free), rotate.Size(p.Total), rotate.Size(p.KeepFree))
	if p.Budget > 0 {
		files := "files"
		if p.SetLen == 1 {
			files = "file"
		}
		d.Text += fmt.Sprintf("; the budget is %s, of which %s in %d %s are used", rotate.Size(p.Budget), rotate.Size(p.Set), p.SetLen, files)
		switch {
		case p.KeepLast > 0:
			d.Text += fmt.Sprintf("; what was captured in the last %s is kept though there be no room", p.KeepLast)
		case p.KeepAtLeast > 0:
			d.Text += fmt.Sprintf("; the last %s are kept though there be no room", rotate.Size(p.KeepAtLeast))
		}
		room := p.Free + p.Set - p.KeepFree
		switch {
		case room < p.KeepAtLeast+2*p.Segment:
			d.Verdict = Warn
			d.Mend = fmt.Sprintf("there is room for %s only, and then the capture pauses, for the last %s are kept: free some room, or lower --keep-at-least or --keep-free", rotate.Size(p.Room()), rotate.Size(p.KeepAtLeast))
		case room < p.Budget:
			d.Verdict = Warn
			d.Mend = fmt.Sprintf("there is room for %s of the budget only: free some room, or lower --disk-budget or --keep-free", rotate.Size(p.Room()))
		}
	}
	return []Result{r, d}, p
}

// theUser tries what else is done as the user whom the capture becomes.
func theUser(c *Config) (r Result, ok bool) {
	if c.RootFor != "" {
		return Result{Check: "user", Verdict: OK, Text: "the capture stays root's: " + c.RootFor}, true
	}
	if c.Next == nil || c.Journal == "" && c.Command == "" {
		return r, false
	}
	r = Result{Check: "user " + c.Next.Name, Verdict: OK, Text: "can do what is asked of that user"}
	if err := TryUser(c.Next, c.Journal, c.Command); err != nil {
		r.Verdict, r.Text, r.Err = Fail, err.Error(), err
	}
	return r, true
}

// TryUser finds out whether a user can write a journal and run a program, "" for none.
func TryUser(next *rotate.Successor, journal, command string) error {
	return next.Do(func() error {
		if journal != "" {
			if err := ownfile.Check(journal); err != nil {
				return fmt.Errorf("%s can't write the DICOM journal: %w: choose another place for it", next.Name, err)
			}
		}
		if command != "" {
			if err := unix.Faccessat(unix.AT_FDCWD, command, unix.X_OK, unix.AT_EACCESS); err != nil {
				return fmt.Errorf("%s can't run -z %s: %w: let others read and run it, and search the directories on the way", next.Name, command, err)
			}
		}
		return nil
	})
}

func thePIDFile(path string) Result {
	if err := daemon.CheckPIDFile(path); err != nil {
		return Result{Check: "PID file", Verdict: Fail, Text: err.Error(), Err: err}
	}
	return Result{Check: "PID file", Verdict: OK, Text: path + " can be locked"}
}

func theLog(path string) Result {
	if err := daemon.CheckLog(path); err != nil {
		return Result{Check: "log", Verdict: Fail, Text: err.Error(), Err: err}
	}
	return Result{Check: "log", Verdict: OK, Text: path + " can be written"}
}

// theMemory compares what the capture may take with what there is: MemAvailable in proc(5),
// and the limit of the control group, in which the kernel doesn't count the ring.
func theMemory(c *Config, p *rotate.Preview) Result {
	r := Result{Check: "memory", Verdict: OK}
	if p == nil { // a stream, or what the directory's check says
		var err error
		if p, err = rotate.LookMemory(&c.Files); err != nil {
			r.Verdict, r.Text, r.Err = Fail, err.Error(), err
			return r
		}
	}
	ring := int64(c.Capture.RingSize)
	if ring == 0 {
		ring = capture.DefaultRingSize
	}
	ring *= int64(len(c.Interfaces))
	const program = 24 << 20
	need := program + p.WriteBuffer
	r.Text = fmt.Sprintf("%s are taken at most, %s of it for the write buffer (%s)", rotate.Size(ring+need), rotate.Size(p.WriteBuffer), boundOf(p, c.Files.WriteBuffer > 0))
	if c.Files.WriteBuffer > 0 && p.BufferBy != rotate.ByFlag {
		r.Verdict, r.Mend = Warn, "lower --write-buffer, or have more memory: half of what there is may be used"
	}
	has, ok := availableMemory()
	switch {
	case p.Memory > 0 && p.Memory < need:
		r.Verdict = Warn
		r.Text += fmt.Sprintf(", and the control group has %s", rotate.Size(p.Memory))
		r.Mend = "give it more (MemoryMax= of the unit, the container's limit): a capture that is killed for want of memory loses more"
	case ok && has < ring+need:
		r.Verdict = Warn
		r.Text += fmt.Sprintf(", and %s are there", rotate.Size(has))
		r.Mend = "lower --write-buffer or -B: a capture that is killed for want of memory loses more"
	}
	return r
}

// boundOf says what bounds the write buffer.
func boundOf(p *rotate.Preview, asked bool) string {
	part := "a sixteenth of"
	if asked {
		part = "half of"
	}
	switch p.BufferBy {
	case rotate.ByFlag:
		return "--write-buffer"
	case rotate.ByMemory:
		return part + " the machine's memory"
	case rotate.ByCgroup:
		return fmt.Sprintf("%s the %s that the control group may have", part, rotate.Size(p.Memory))
	}
	return "the default"
}

// theConfinement names what may deny things that permissions allow.
func theConfinement() Result {
	r := Result{Check: "confinement", Verdict: OK, Text: "no AppArmor or SELinux policy confines this process"}
	label, err := os.ReadFile("/proc/self/attr/current")
	text := strings.TrimRight(string(label), "\x00\n")
	if err != nil || text == "" || text == "unconfined" {
		return r
	}
	if b, err := os.ReadFile("/sys/fs/selinux/enforce"); err == nil {
		if strings.TrimSpace(string(b)) == "1" && !strings.Contains(text, "unconfined") {
			r.Verdict, r.Text = Warn, "SELinux confines this process as "+text
			r.Mend = "denials are in the audit log: ausearch -m avc -c netcap"
		}
		return r
	}
	if strings.HasSuffix(text, "(enforce)") {
		r.Verdict, r.Text = Warn, "AppArmor confines this process by "+text
		r.Mend = "denials are in the kernel log: journalctl -k -g apparmor"
	}
	return r
}

// theClock asks the kernel whether anybody keeps its clock (adjtimex(2)).
func theClock() Result {
	r := Result{Check: "clock", Verdict: OK, Text: "is synchronised"}
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	const unsynchronised, timeError = 0x40, 5 // STA_UNSYNC, TIME_ERROR
	switch {
	case err != nil:
		r.Verdict, r.Text = Warn, "can't be asked: "+err.Error()
		r.Mend = "see that NTP runs: packets are compared by their times"
	case state == timeError || t.Status&unsynchronised != 0:
		r.Verdict, r.Text = Warn, "is not synchronised, as far as the kernel knows"
		r.Mend = "run chrony, ntpd or systemd-timesyncd: packets are compared by their times"
	}
	return r
}

// Forecast is how long a budget lasts at the present rate.
type Forecast struct {
	// Rate is what the interfaces carry, in bytes a second, what a file adds to each
	// packet included.
	Rate float64
	// Room is what the budget holds, in bytes.
	Room int64
}

// Measure watches the interfaces' own counters for a while.
func Measure(ctx context.Context, c *Config, p *rotate.Preview, during time.Duration) (*Forecast, error) {
	var devices []string
	for _, name := range c.Interfaces {
		if device, err := c.Device(name); err == nil { // one that isn't there has no traffic
			devices = append(devices, device)
		}
	}
	before, err := counters(devices)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(during):
	}
	after, err := counters(devices)
	if err != nil {
		return nil, err
	}
	const overhead = 44 // of an Enhanced Packet Block with its flags
	bytes := float64(after.bytes-before.bytes) + overhead*float64(after.packets-before.packets)
	return &Forecast{Rate: bytes / time.Since(start).Seconds(), Room: p.Room()}, nil
}

func (f *Forecast) String() string {
	if f.Rate < 1 {
		return fmt.Sprintf("%s: no traffic at present, so nothing can be said of how long it lasts", rotate.Size(f.Room))
	}
	return fmt.Sprintf("%s lasts about %s at the present %s/s", rotate.Size(f.Room), days(f.Lasts()), rotate.Size(int64(f.Rate)))
}

// Lasts is how long the room lasts.
func (f *Forecast) Lasts() time.Duration {
	const longest = 100 * 365 * 24 * time.Hour
	seconds := float64(f.Room) / f.Rate
	if seconds > longest.Seconds() {
		return longest
	}
	return time.Duration(seconds * float64(time.Second))
}

func days(d time.Duration) string {
	switch hours := d.Hours(); {
	case hours >= 48:
		return fmt.Sprintf("%.1f days", hours/24)
	case hours >= 2:
		return fmt.Sprintf("%.1f hours", hours)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
	return fmt.Sprintf("%.0f seconds", d.Seconds())
}
