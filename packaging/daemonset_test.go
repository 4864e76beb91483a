package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Every field of the manifest is one that Kubernetes has, and the pod is as confined as
// it says.
func TestDaemonSet(t *testing.T) {
	b, err := os.ReadFile("kubernetes/daemonset.yaml")
	require.NoError(t, err)
	documents := strings.Split(string(b), "\n---\n")
	require.Len(t, documents, 3)
	var (
		namespace corev1.Namespace
		account   corev1.ServiceAccount
		set       appsv1.DaemonSet
	)
	for i, object := range []any{&namespace, &account, &set} {
		require.NoError(t, yaml.UnmarshalStrict([]byte(documents[i]), object))
	}
	assert.Equal(t, "v1 Namespace", namespace.APIVersion+" "+namespace.Kind)
	assert.Equal(t, "v1 ServiceAccount", account.APIVersion+" "+account.Kind)
	assert.Equal(t, "apps/v1 DaemonSet", set.APIVersion+" "+set.Kind)
	for _, name := range []string{account.Namespace, set.Namespace} {
		assert.Equal(t, namespace.Name, name)
	}
	assert.False(t, *account.AutomountServiceAccountToken)
	assert.Equal(t, set.Spec.Selector.MatchLabels, set.Spec.Template.Labels)

	pod := set.Spec.Template.Spec
	assert.Equal(t, account.Name, pod.ServiceAccountName)
	assert.True(t, pod.HostNetwork)
	assert.False(t, pod.HostPID || pod.HostIPC)
	assert.Equal(t, []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, pod.Tolerations)
	assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	require.Len(t, pod.Containers, 1)
	c := pod.Containers[0]
	security := c.SecurityContext
	assert.Equal(t, &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_RAW"}}, security.Capabilities)
	assert.True(t, *security.ReadOnlyRootFilesystem)
	assert.False(t, *security.AllowPrivilegeEscalation || *security.Privileged)
	volumes := map[string]corev1.VolumeSource{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v.VolumeSource
	}
	mounts := map[string]corev1.VolumeSource{}
	for _, m := range c.VolumeMounts {
		require.Contains(t, volumes, m.Name)
		mounts[m.MountPath] = volumes[m.Name]
	}
	assert.Equal(t, "/var/lib/netcap", mounts["/var/lib/netcap"].HostPath.Path)
	assert.Equal(t, corev1.HostPathDirectoryOrCreate, *mounts["/var/lib/netcap"].HostPath.Type)
	assert.NotNil(t, mounts["/run/netcap"].EmptyDir)

	// netcap takes the flags; the probe asks for the capture that they name.
	cmd := exec.Command(filepath.Join(build(t).new, "netcap-linux-"+runtime.GOARCH), append([]string{"service", "show", "-i", "lo"}, c.Args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "--name node ")
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.StartupProbe} {
		assert.Equal(t, []string{"/usr/bin/netcap", "status", "node"}, probe.Exec.Command)
	}
	assert.EqualValues(t, 120, *pod.TerminationGracePeriodSeconds)
}
