package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The events of a step, as go test -json prints them, less the times.
const (
	pass = `{"Action":"step","Step":"test"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"pass","Package":"p","Elapsed":1.5}
{"Action":"step-end","Step":"test","Status":0}
`
	skip = `{"Action":"step","Step":"race"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:12: not run: needs root\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
{"Action":"step-end","Step":"race","Status":0}
`
	fail = `{"Action":"step","Step":"race"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:13: want 1\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"exit status 1\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.01s\n"}
{"Action":"fail","Package":"p"}
{"Action":"step-end","Step":"race","Status":1}
`
	subtests = `{"Action":"step","Step":"test"}
{"Action":"output","Package":"p","Test":"TestT","Output":"=== RUN   TestT\n"}
{"Action":"output","Package":"p","Test":"TestT/one","Output":"    --- PASS: TestT/one\n"}
{"Action":"pass","Package":"p","Test":"TestT/one"}
{"Action":"output","Package":"p","Test":"TestT/two/2","Output":"        a_test.go:9: later\n"}
{"Action":"skip","Package":"p","Test":"TestT/two/2"}
{"Action":"skip","Package":"p","Test":"TestT/three"}
{"Action":"pass","Package":"p","Test":"TestT"}
{"Action":"pass","Package":"p"}
{"Action":"step-end","Step":"test","Status":0}
`
	subtestFails = `{"Action":"step","Step":"test"}
{"Action":"pass","Package":"p","Test":"TestT/one"}
{"Action":"fail","Package":"p","Test":"TestT/two"}
{"Action":"fail","Package":"p","Test":"TestT"}
{"Action":"fail","Package":"p"}
{"Action":"step-end","Step":"test","Status":1}
`
	parentFails = `{"Action":"step","Step":"test"}
{"Action":"pass","Package":"p","Test":"TestT/one"}
{"Action":"output","Package":"p","Test":"TestT","Output":"    a_test.go:99: afterwards\n"}
{"Action":"fail","Package":"p","Test":"TestT"}
{"Action":"fail","Package":"p"}
{"Action":"step-end","Step":"test","Status":1}
`
	inPart = `{"Action":"step","Step":"test"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:12: not run: needs tshark\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
{"Action":"step-end","Step":"test","Status":0}
`
	doesNotBuild = `{"Action":"step","Step":"test"}
{"ImportPath":"p [p.test]","Action":"build-output","Output":"# p [p.test]\n"}
{"ImportPath":"p [p.test]","Action":"build-output","Output":"./a.go:3:1: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
{"Action":"step-end","Step":"test","Status":1}
`
	exitsInTest = `{"Action":"step","Step":"test"}
{"Action":"output","Package":"p","Test":"TestA","Output":"about to exit\n"}
{"Action":"output","Package":"p","Output":"exit status 3\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.01s\n"}
{"Action":"fail","Package":"p"}
{"Action":"step-end","Step":"test","Status":1}
`
	failsAfterTests = `{"Action":"step","Step":"test"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"2 file descriptors leaked\n"}
{"Action":"fail","Package":"p"}
{"Action":"step-end","Step":"test","Status":1}
`
	vetPasses = `{"Action":"step","Step":"vet"}
{"Action":"step-end","Step":"vet","Status":0}
`
	vetFails = `{"Action":"step","Step":"vet"}
./a.go:3:1: self-assignment
{"Action":"step-end","Step":"vet","Status":1}
`
	goFails = `{"Action":"step","Step":"test"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
{"Action":"step-end","Step":"test","Status":2}
`
	stepSkipped = `{"Action":"step-skip","Step":"race","Output":"not run: needs a C compiler"}
`
	brokenOff = `{"Action":"step","Step":"test"}
{"Action":"pass","Package":"p","Test":"TestA"}
`
)

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name, input string
		last        string
		says        []string
		saysNot     []string
	}{
		{name: "pass", input: pass, last: "1 passed, 0 failed, 0 skipped", says: []string{"ok    p  1.5s"}, saysNot: []string{"not run"}},
		{name: "skip", input: skip, last: "0 passed, 0 failed, 1 skipped", says: []string{"    1  needs root\n"}},
		{name: "skipped in one run only", input: pass + skip, last: "1 passed, 0 failed, 0 skipped", saysNot: []string{"needs root"}},
		{name: "skipped first", input: skip + pass, last: "1 passed, 0 failed, 0 skipped", saysNot: []string{"needs root"}},
		{name: "failed in one run only", input: pass + fail, last: "0 passed, 1 failed, 0 skipped", says: []string{"== failed: p.TestA (race)\n", "want 1"}, saysNot: []string{"failed: p (race)"}},
		{name: "subtests", input: subtests, last: "1 passed, 0 failed, 2 skipped", says: []string{"    1  later\n", "    1  no reason given\n"}},
		{name: "subtest fails", input: subtestFails, last: "1 passed, 1 failed, 0 skipped"},
		{name: "parent fails", input: parentFails, last: "1 passed, 1 failed, 0 skipped", says: []string{"afterwards"}},
		{name: "not run in part", input: inPart, last: "1 passed, 0 failed, 0 skipped", says: []string{"    1  needs tshark\n"}},
		{name: "does not build", input: doesNotBuild, last: "0 passed, 1 failed, 0 skipped", says: []string{"undefined: x"}},
		{name: "exits in a test", input: exitsInTest, last: "0 passed, 1 failed, 0 skipped", says: []string{"failed: p.TestA", "about to exit", "exit status 3"}},
		{name: "fails after its tests", input: failsAfterTests, last: "1 passed, 1 failed, 0 skipped", says: []string{"descriptors leaked"}},
		{name: "check passes", input: vetPasses, last: "1 passed, 0 failed, 0 skipped"},
		{name: "check fails", input: vetFails, last: "0 passed, 1 failed, 0 skipped", says: []string{"self-assignment"}},
		{name: "fails without a failing test", input: goFails, last: "1 passed, 1 failed, 0 skipped", says: []string{"exit status 2"}},
		{name: "step not run", input: pass + stepSkipped, last: "1 passed, 0 failed, 1 skipped", says: []string{"    1  needs a C compiler\n"}},
		{name: "broken off", input: brokenOff, last: "1 passed, 1 failed, 0 skipped"},
		{name: "nothing", input: "", last: "0 passed, 1 failed, 0 skipped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w strings.Builder
			r := newReport(&w)
			require.NoError(t, r.read(strings.NewReader(tt.input)))
			failed := r.summary()
			lines := strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n")
			assert.Equal(t, tt.last, lines[len(lines)-1])
			assert.Equal(t, strings.Contains(tt.last, " 0 failed"), failed == 0)
			for _, text := range tt.says {
				assert.Contains(t, w.String(), text)
			}
			for _, text := range tt.saysNot {
				assert.NotContains(t, w.String(), text)
			}
		})
	}
}
