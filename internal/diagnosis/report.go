package diagnosis

import (
	"net/netip"
	"time"
)

// Version is that of the Report's form as JSON. A field, once there, keeps its meaning.
const Version = 1

// A Report is all that is to be said about captures. docs/dicom-json.md describes it as
// JSON. Durations are in seconds, sizes in bytes, times in UTC.
type Report struct {
	Version      int            `json:"version"`
	Capture      Capture        `json:"capture"`
	Associations []*Association `json:"associations"` // by their beginnings
	Connections  []*Connection  `json:"connections"`  // those without an association
	Findings     []*Finding     `json:"findings"`     // the worst first
	// Omitted counts what there was no room for: findings count it too.
	Omitted Omitted `json:"omitted"`
}

// Omitted is what a report lacks because it would be too large.
type Omitted struct {
	Associations int64 `json:"associations"`
	Connections  int64 `json:"connections"`
	Operations   int64 `json:"operations"`
	// Contexts are associations whose presentation contexts are left out.
	Contexts int64 `json:"contexts"`
}

// Capture is what the packets came from.
type Capture struct {
	Files   []string   `json:"files"`
	From    *time.Time `json:"from"` // nil without packets
	To      *time.Time `json:"to"`
	Packets int64      `json:"packets"`
	// Gaps counts the places in streams where the capture lacks bytes that arrived, and
	// the intervals in which packets are or may be missing as who captured knows.
	Gaps int64 `json:"gaps"`
	// Dropped counts packets that the files themselves say were dropped.
	Dropped int64 `json:"dropped"`
	// Complete says that nothing is known to be missing: no gaps, no packets dropped or
	// cut off, and all files could be read.
	Complete bool `json:"complete"`
	// Truncated counts the segments that the snap length has cut, of what is reported.
	Truncated int64 `json:"truncated"`
	// Duplicates counts the segments that the capture holds more than once.
	Duplicates int64 `json:"duplicates"`
}

// A Place is where in the captures something stands.
type Place struct {
	File   string `json:"file"`
	Packet int64  `json:"packet"` // from 1, as other programs count
}

// An Endpoint is one end of a connection.
type Endpoint struct {
	Address netip.Addr `json:"address"`
	Port    uint16     `json:"port"`
	Name    string     `json:"name"` // that the capture has for the address, "" for none
}

// AddrPort is where the endpoint is.
func (e Endpoint) AddrPort() netip.AddrPort { return netip.AddrPortFrom(e.Address, e.Port) }

// Result is how a request for an association was answered.
type Result string

// The results.
const (
	Accepted   Result = "accepted"
	Rejected   Result = "rejected"
	Unanswered Result = "unanswered"
	Unknown    Result = "unknown" // the answer isn't in the capture
)

// Outcome is how an association ended.
type Outcome string

// The outcomes.
const (
	Released Outcome = "released"
	Aborted  Outcome = "aborted"
	Reset    Outcome = "reset"  // by TCP, without more
	Closed   Outcome = "closed" // by TCP, without a release
	Open     Outcome = "open"   // idle at the end of the capture
	CutOff   Outcome = "cut"    // busy at the end of the capture
)

// An Association is what two applications have to do with one another in one connection.
type Association struct {
	Start    time.Time `json:"start"` // of the connection
	End      time.Time `json:"ended"`
	Duration float64   `json:"duration_seconds"`

	Client Endpoint `json:"client"` // who asked for the connection
	Server Endpoint `json:"server"`
	// The titles are what the request says, "" if it isn't in the capture.
	CallingAE string `json:"calling_ae"`
	CalledAE  string `json:"called_ae"`

	Result  Result  `json:"result"`
	Reject  *Reject `json:"reject"` // nil unless it was rejected
	Outcome Outcome `json:"end"`
	EndedBy string  `json:"ended_by"` // client or server, "" where nobody did
	Abort   *Abort  `json:"abort"`    // nil unless there was one

	ClientApplication Application `json:"client_application"`
	ServerApplication Application `json:"server_application"`
	// Identity is how the client identifies its user, "" if it doesn't: username, username
	// and passcode, and so on.
	Identity string    `json:"identity"`
	Contexts []Context `json:"contexts"`

	// Operations are there if they are asked for, in the order of their requests, as far as
	// there is room for them: see Report.Omitted. Summary counts them all.
	Operations []*Operation `json:"operations"`
	Summary    []Count      `json:"summary"`
	// Bytes are those of data sets, in both directions.
	Bytes int64 `json:"bytes"`
	// Rate is bytes a second of the client's data sets, over the time that sending them
	// and waiting for the answers took; 0 without any.
	Rate float64 `json:"bytes_per_second"`
	// Response is how long it took from the last byte of a request to that of its first
	// response; nil without any.
	Response *Percentiles `json:"response_seconds"`

	// Incomplete says that the capture lacks something of it: numbers are the least.
	Incomplete bool  `json:"incomplete"`
	TCP        TCP   `json:"tcp"`
	Time       Times `json:"time"`
	// Packet is the first one.
	Packet Place `json:"packet"`
}

// Reject is an A-ASSOCIATE-RJ: its numbers, and what they mean.
type Reject struct {
	Result int    `json:"result"`
	Source int    `json:"source"`
	Reason int    `json:"reason"`
	Text   string `json:"text"`
}

// Abort is an A-ABORT: its numbers, and what they mean.
type Abort struct {
	Source int    `json:"source"`
	Reason int    `json:"reason"`
	Text   string `json:"text"`
}

// Application is what one side says of itself in the negotiation.
type Application struct {
	Class   string `json:"implementation_class"` // UID
	Version string `json:"implementation_version"`
	// MaxPDU is the longest P-DATA-TF that it takes, in bytes, 0 for any; nil if it isn't
	// known.
	MaxPDU *uint32 `json:"max_pdu"`
	// AsyncInvoked and AsyncPerformed are how many operations it proposes to be under way
	// at once, 0 for any number.
	AsyncInvoked   int `json:"async_invoked"`
	AsyncPerformed int `json:"async_performed"`
}

// A Context is a presentation context: what was proposed, and what became of it.
type Context struct {
	ID               int      `json:"id"`
	AbstractSyntax   string   `json:"abstract_syntax"` // UID
	Name             string   `json:"name"`            // of the abstract syntax
	TransferSyntaxes []string `json:"transfer_syntaxes"`
	Result           string   `json:"result"`   // of PS3.8 table 9-18, "" if it isn't known
	Accepted         string   `json:"accepted"` // transfer syntax, "" for none
}

// Count is how many operations of an association there were of a kind, with a status.
type Count struct {
	Kind          string `json:"kind"`     // as in Operation, as are the others; other if there are too many kinds
	By            string `json:"by"`       // client or server
	Status        string `json:"status"`   // "" for those that weren't answered
	Category      string `json:"category"` // "" likewise
	Text          string `json:"text"`     // what the status means
	Pending       int64  `json:"pending"`  // responses before the last ones: matches of a C-FIND
	Operations    int64  `json:"operations"`
	Bytes         int64  `json:"bytes"`
	ResponseBytes int64  `json:"response_bytes"`
}

// An Operation is a request and its responses.
type Operation struct {
	Kind      string `json:"kind"` // C-STORE and so on
	MessageID int    `json:"message_id"`
	By        string `json:"by"` // client or server: who asked for it
	Context   int    `json:"context"`
	SOPClass  string `json:"sop_class"` // UID
	// Instance is the UID of the SOP instance, "" unless it is asked for.
	Instance string `json:"sop_instance,omitempty"`

	// Status is that of the last response in hexadecimal, "" without one.
	Status string `json:"status"`
	// Category is success, warning, failure, cancel or pending, "" without a response.
	Category string `json:"category"`
	// Text says what the status means, and Comment what the application adds.
	Text    string `json:"text"`
	Comment string `json:"comment"`
	Pending int    `json:"pending"` // responses before the last one

	Bytes         int64 `json:"bytes"`          // of the request's data set
	ResponseBytes int64 `json:"response_bytes"` // of the responses' data sets

	Start time.Time `json:"start"` // the first byte of the request
	// Send is from the first to the last byte of the request, FirstByte from there to the
	// first byte of the first response, Response to its last byte, and Total to that of the
	// last response. They are nil where the capture lacks one or the other.
	Send      *float64 `json:"send_seconds"`
	FirstByte *float64 `json:"first_byte_seconds"`
	Response  *float64 `json:"response_seconds"`
	Total     *float64 `json:"total_seconds"`

	Destination  string         `json:"move_destination,omitempty"` // AE title
	Suboperation *Suboperations `json:"suboperations,omitempty"`
	Canceled     bool           `json:"canceled,omitempty"`
	// RequestMissing says that the capture lacks the request, Cut that it lacks part of the
	// data set or that not all of it was sent.
	RequestMissing bool  `json:"request_missing,omitempty"`
	Cut            bool  `json:"cut,omitempty"`
	Packet         Place `json:"packet"` // of its first byte
}

// Suboperations are those of a C-MOVE or C-GET, by its last response.
type Suboperations struct {
	Remaining int `json:"remaining"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
	Warning   int `json:"warning"`
}

// Percentiles of durations: the median, that which 95 % don't exceed, and the longest.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	Max float64 `json:"max"`
}

// TCP is what TCP did in a connection, by the side that sent.
type TCP struct {
	Client Flow `json:"client"`
	Server Flow `json:"server"`
}

// A Flow is what one side sent and met.
type Flow struct {
	Segments int64 `json:"segments"`
	Bytes    int64 `json:"bytes"` // of payload
	// Acknowledged are bytes that arrived, by the other side's word.
	Acknowledged int64 `json:"acknowledged"`
	// Retransmitted segments: those whose first copy the capture has, so that it was lost
	// behind the capture point, and those that fill a hole, so that it was lost before.
	RetransmittedAfter  int64 `json:"retransmitted_after"`
	RetransmittedBefore int64 `json:"retransmitted_before"`
	Reordered           int64 `json:"reordered"`
	// Copies are segments that the capture holds twice.
	Copies int64 `json:"copies"`
	// ZeroWindows are segments that say that there is no room for more.
	ZeroWindows       int64   `json:"zero_windows"`
	ZeroWindowSeconds float64 `json:"zero_window_seconds"`
	// NagleWaits are waits for a delayed acknowledgement in the middle of a message.
	NagleWaits   int64   `json:"nagle_waits"`
	NagleSeconds float64 `json:"nagle_seconds"`
	// Lost are bytes that the capture lacks though they arrived, Cut those that the snap
	// length cut off, Missing those that never were there as far as the capture shows.
	Lost    int64 `json:"lost"`
	Cut     int64 `json:"cut"`
	Missing int64 `json:"missing"`
}

// Times is where the time of an association went. Each instant counts once, at what is first
// of: a pause, while there is anything to do; the client's request for the association, its
// sending of a request, the server's work. The parts add up to the duration.
type Times struct {
	Connect        float64 `json:"connect"`        // from the SYN on
	Negotiate      float64 `json:"negotiate"`      // until the association is accepted or not
	Sending        float64 `json:"sending"`        // requests
	Retransmission float64 `json:"retransmission"` // waiting for one
	ZeroWindow     float64 `json:"zero_window"`    // waiting until the other side has room
	Nagle          float64 `json:"nagle"`          // waiting for a delayed acknowledgement
	Server         float64 `json:"server"`         // working on operations, and answering
	ClientIdle     float64 `json:"client_idle"`    // nothing to do
}

// A Connection is one in which there was no association.
type Connection struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"ended"`
	Duration float64   `json:"duration_seconds"`
	Client   Endpoint  `json:"client"`
	Server   Endpoint  `json:"server"`
	// Outcome is refused, unanswered, silent, or what was spoken: TLS, HTTP and so on;
	// unknown for what isn't recognised.
	Outcome string `json:"outcome"`
	EndedBy string `json:"ended_by"` // client or server, "" where nobody did
	// ServerName is what a TLS client asks for.
	ServerName  string `json:"server_name,omitempty"`
	ClientBytes int64  `json:"client_bytes"`
	ServerBytes int64  `json:"server_bytes"`
	SYN         int64  `json:"syn"` // attempts
	TCP         TCP    `json:"tcp"`
	Packet      Place  `json:"packet"`

	packet   int64
	icmp     *icmpError // that the server can't be reached; nil for none
	mismatch bool       // the server answered in DICOM what isn't
}

// An Entry is an association that has ended, or a connection that became none, or nothing of
// both, with what is wrong: a line of a journal as JSON. An association's fields stand in
// the object itself.
type Entry struct {
	*Association
	Connection *Connection `json:"connection,omitempty"`
	Findings   []*Finding  `json:"findings"`
}

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Problem Severity = "problem" // something didn't work
	Warning Severity = "warning" // it worked badly, or may not work
	Info    Severity = "info"    // to be known when reading the rest
)

// A Finding is something that is wrong, once however often it occurred.
type Finding struct {
	ID       string    `json:"id"` // such as association-rejected
	Severity Severity  `json:"severity"`
	Count    int64     `json:"count"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	// Associations are the indexes of those it is about, the first 100 of them.
	Associations []int `json:"associations"`
	// Text says what is wrong, and between whom; Cause what is likely behind it, and what
	// helps. What comes out of packets is quoted so that a terminal may print it.
	Text  string `json:"text"`
	Cause string `json:"cause"`
	// Evidence are places where it shows, the first 10 of them.
	Evidence []Place `json:"evidence"`
}
