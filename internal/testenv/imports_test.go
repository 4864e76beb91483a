package testenv_test

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestImports holds ARCHITECTURE.md's table of who may import whom against what go list says: each
// package has a row, imports what that allows and nothing else of ours, and all of it.
func TestImports(t *testing.T) {
	const module = "netcap/"
	public := []string{"capture", "capture/filter", "pcapfile", "rotate"}
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	require.NoError(t, err)
	allowed := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| .* \\|(.*)\\|$").FindAllStringSubmatch(string(text), -1) {
		allowed[row[1]] = row[2]
	}
	delete(allowed, "packaging") // another module
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "GOOS=linux", "GOFLAGS=-buildvcs=false")
	out, err := cmd.Output()
	require.NoError(t, err)

	var packages []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(strings.ReplaceAll(line, module, ""))
		name := fields[0]
		may, known := allowed[name]
		if strings.HasPrefix(name, "scripts/") {
			may, known = "", true
		} else if !known { // a program that only tests run stands under whom it is for
			may, known = allowed[name[:strings.LastIndexByte(name, '/')]]
		} else {
			packages = append(packages, name)
		}
		if !assert.True(t, known, "%s has no row", name) || strings.TrimSpace(may) == "all" {
			continue
		}
		want := make(map[string]bool)
		for _, m := range regexp.MustCompile("`([a-z/]+)`").FindAllStringSubmatch(may, -1) {
			want[m[1]] = true
		}
		everyone := strings.Contains(may, "the public ones")
		for _, imported := range fields[1:] {
			_, ours := allowed[imported]
			own, _, _ := strings.Cut(name, "/")
			switch {
			case !ours:
			case want[imported]:
				delete(want, imported)
			case everyone && slices.Contains(public, imported):
			case imported == "internal/printable" && !slices.Contains(public, name):
			case strings.HasPrefix(imported, own+"/internal/"), strings.HasPrefix(name, imported+"/"):
			default:
				assert.Fail(t, "not in the table", "%s imports %s", name, imported)
			}
		}
		delete(want, "internal/printable")
		assert.Empty(t, slices.Sorted(maps.Keys(want)), "%s doesn't import that any more", name)
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(allowed)), packages, "the rows are the packages")
}
