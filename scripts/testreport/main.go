// Testreport reads what scripts/test and go test -json print, shows progress
// package by package, and ends with what failed, in full, what was not run and
// why, and the line
//
//	N passed, N failed, N skipped
//
// A test counts once, however many runs it was in: it failed when any of them
// failed, and is skipped only when all of them skipped it. A test that has
// subtests counts by them. Its exit status is 1 when anything failed.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("testreport: ")
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		log.Fatal(err)
	}
	if failed := r.summary(); failed > 0 {
		os.Exit(1)
	}
}

// event is a line of the input: one of go test -json (go doc test2json), or
// one of scripts/test, which has a Step.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	ImportPath  string
	FailedBuild string
	Elapsed     float64
	Step        string
	Status      int
}

// outcome is how a test ended; where runs of it differ, the greatest counts.
type outcome int

const (
	unfinished outcome = iota
	skipped
	passed
	failed
)

// id names a test, a package (no test), or a step (no package either).
type id struct{ step, pkg, test string }

func (i id) String() string {
	switch {
	case i.pkg == "":
		return i.step
	case i.test == "":
		return i.pkg
	}
	return i.pkg + "." + i.test
}

type result struct {
	outcome outcome
	notRun  []string // the reasons given
}

// failure is printed in full at the end.
type failure struct {
	id     id
	output string
}

type report struct {
	w        io.Writer
	step     string
	packages int // seen in this step
	before   int // failures before this step

	output   map[id]*strings.Builder // of what has not ended
	builds   map[string]*strings.Builder
	results  map[id]*result // without the step, since runs are merged
	failures []failure
}

func newReport(w io.Writer) *report {
	return &report{
		w:       w,
		output:  map[id]*strings.Builder{},
		builds:  map[string]*strings.Builder{},
		results: map[id]*result{},
	}
}

func (r *report) read(input io.Reader) error {
	lines := bufio.NewReader(input)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) line(line string) {
	var e event
	// What is no event is some command's own output.
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		io.WriteString(r.w, line)
		return
	}
	at := id{r.step, e.Package, e.Test}
	switch e.Action {
	case "step":
		fmt.Fprintf(r.w, "== %s\n", e.Step)
		r.step, r.packages, r.before = e.Step, 0, len(r.failures)
	case "step-skip":
		r.end(id{step: e.Step}, skipped, e.Output)
	case "step-end":
		r.endStep(e.Status)
	case "output":
		appendTo(r.output, at, e.Output)
	case "build-output":
		appendTo(r.builds, e.ImportPath, e.Output)
	case "pass", "skip", "fail":
		if e.Test == "" {
			r.endPackage(at, e)
			return
		}
		ended := map[string]outcome{"pass": passed, "skip": skipped, "fail": failed}[e.Action]
		r.end(at, ended, take(r.output, at))
	}
}

// endStep ends a step of scripts/test: one that ran no tests is one itself,
// and one that failed without a failing test has failed all the same.
func (r *report) endStep(status int) {
	failedTests := len(r.failures) - r.before
	switch {
	case status != 0 && failedTests == 0:
		r.end(id{step: r.step}, failed, fmt.Sprintf("exit status %d; its output is above\n", status))
	case status == 0 && r.packages == 0:
		r.end(id{step: r.step}, passed, "")
	}
	r.step = ""
}

// plainVerdict matches what go test ends every failed package with.
var plainVerdict = regexp.MustCompile(`(?m)^(FAIL(\s.*)?|exit status \d+)$`)

// endPackage ends a package, which fails with one of its tests, or by itself
// when it doesn't build, or ended in the middle of a test.
func (r *report) endPackage(at id, e event) {
	r.packages++
	output := take(r.output, at)
	if e.Action != "fail" {
		if e.Action == "pass" {
			fmt.Fprintf(r.w, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
		}
		return
	}
	fmt.Fprintf(r.w, "FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
	output = take(r.builds, e.FailedBuild) + output
	for _, test := range slices.SortedFunc(maps.Keys(r.output), byName) {
		if test.pkg == at.pkg {
			r.end(test, failed, take(r.output, test)+"not ended when the package did:\n"+output)
		}
	}
	for _, f := range r.failures[r.before:] {
		if f.id.pkg == at.pkg {
			// Its tests have said it, unless it goes on about a panic or a leak.
			if strings.Trim(plainVerdict.ReplaceAllString(output, ""), "\n") != "" {
				r.failures = append(r.failures, failure{at, output})
			}
			return
		}
	}
	r.end(at, failed, output)
}

func (r *report) end(at id, ended outcome, output string) {
	if ended == failed {
		r.failures = append(r.failures, failure{at, output})
	}
	merged := at
	if at.pkg != "" {
		merged.step = ""
	}
	known := r.results[merged]
	if known == nil {
		known = &result{}
		r.results[merged] = known
	}
	if ended > known.outcome {
		known.outcome, known.notRun = ended, reasons(ended, output)
	}
}

// summary prints the end of the report and returns how many tests failed.
func (r *report) summary() int {
	if r.step != "" {
		r.end(id{step: r.step}, failed, "broken off\n")
	}
	if len(r.results) == 0 {
		r.end(id{step: "scripts/test"}, failed, "nothing was run\n")
	}
	for _, f := range r.failures {
		where := ""
		if f.id.pkg != "" {
			where = " (" + f.id.step + ")"
		}
		fmt.Fprintf(r.w, "\n== failed: %v%s\n%s", f.id, where, f.output)
	}
	notRun := map[string]int{}
	for _, result := range r.results {
		for _, reason := range result.notRun {
			notRun[reason]++
		}
	}
	if len(notRun) > 0 {
		fmt.Fprintf(r.w, "\n== not run, in how many tests, and why\n")
	}
	for _, reason := range slices.SortedFunc(maps.Keys(notRun), func(a, b string) int {
		return cmp.Or(cmp.Compare(notRun[b], notRun[a]), cmp.Compare(a, b))
	}) {
		fmt.Fprintf(r.w, "%5d  %s\n", notRun[reason], reason)
	}
	count := r.count()
	fmt.Fprintf(r.w, "\n%d passed, %d failed, %d skipped\n", count[passed], count[failed], count[skipped])
	return count[failed]
}

// count counts tests by outcome, those with subtests only where they tell
// more than these do: skipped, or failed while none of the subtests did.
func (r *report) count() map[outcome]int {
	under := map[id]map[outcome]int{}
	for at, result := range r.results {
		parent := at
		for i := strings.LastIndexByte(parent.test, '/'); i >= 0; i = strings.LastIndexByte(parent.test, '/') {
			parent.test = parent.test[:i]
			if under[parent] == nil {
				under[parent] = map[outcome]int{}
			}
			under[parent][result.outcome]++
		}
	}
	count := map[outcome]int{}
	for at, result := range r.results {
		subtests := under[at]
		if len(subtests) == 0 || result.outcome == skipped || result.outcome == failed && subtests[failed] == 0 {
			count[result.outcome]++
		}
	}
	return count
}

func byName(a, b id) int {
	return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.test, b.test))
}

func appendTo[K comparable](m map[K]*strings.Builder, key K, text string) {
	if m[key] == nil {
		m[key] = &strings.Builder{}
	}
	m[key].WriteString(text)
}

func take[K comparable](m map[K]*strings.Builder, key K) string {
	b := m[key]
	delete(m, key)
	if b == nil {
		return ""
	}
	return b.String()
}
