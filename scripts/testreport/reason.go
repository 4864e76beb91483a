package main

import (
	"regexp"
	"slices"
	"strings"
)

var (
	notRunLine = regexp.MustCompile(`(?m)\bnot run: (.+)$`)
	loggedLine = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.+)$`)
)

// reasons takes out of a test's output why it, or a part of it, was not run:
// what follows "not run: ", each reason once. A skipped test that doesn't say
// it in these words is quoted, and one that says nothing is called out.
func reasons(ended outcome, output string) []string {
	if ended == failed {
		return nil
	}
	var found []string
	for _, match := range notRunLine.FindAllStringSubmatch(output, -1) {
		found = append(found, strings.TrimSpace(match[1]))
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) > 0 || ended != skipped {
		return found
	}
	if logged := loggedLine.FindAllStringSubmatch(output, -1); len(logged) > 0 {
		return []string{logged[len(logged)-1][1]}
	}
	return []string{"no reason given"}
}
