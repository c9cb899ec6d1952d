package raw

import (
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// selection selects all that a policy can be made to select in a namespace.
func selection(t *testing.T) *filter.Selection {
	t.Helper()
	const text = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: much}
spec:
  rules:
    - name: much
      resources: ["*", pods, jobs.batch, endpointslices.discovery.k8s.io, replicasets.apps, widgets.example.com, events, leases.coordination.k8s.io]
    - name: cluster
      resources: [nodes, persistentvolumes, customresourcedefinitions.apiextensions.k8s.io]
    - name: secrets
      resources: [secrets]
      namespaces: [shop]
      allowSecrets: true
`
	var r strictyaml.Report
	policies := filter.Parse(&r, "policy.yaml", []byte(text), filter.DefaultCluster)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := filter.Compile(policies[0], filter.DefaultCluster)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the default way does with the same hazards: what reaches an edge is the
// intent, without what the cloud decided, or nothing. stored is what stands in
// the cloud's etcd; the policy names every resource.
func TestHazardsOnTheDefaultPath(t *testing.T) {
	s := selection(t)
	meta := func(more string) string {
		return `"metadata":{"name":"x","namespace":"shop","uid":"u1","generation":3,"creationTimestamp":"2026-01-01T00:00:00Z"` + more + `}`
	}
	cm := func(more string) string {
		return `{"apiVersion":"v1","kind":"ConfigMap",` + meta(more) + `,"data":{"a":"1"}}`
	}
	const intentOfCM = `{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"name":"x","namespace":"shop"}}`
	for name, row := range map[string]struct {
		key, stored string
		refused     string // why it is held back, in words
		left        string // why it does not cross
		want        string // the whole intent
		without     string // fields that the intent has not, by name
	}{
		"garbage":                           {key: "configmaps/shop/x", stored: "\x01\x02", refused: "in no encoding of Kubernetes"},
		"ciphertext":                        {key: "configmaps/shop/x", stored: "k8s:enc:kms:v2:key:\x01", refused: "encrypted at rest"},
		"a version that nobody knows":       {key: "configmaps/shop/x", stored: strings.Replace(cm(""), `"v1"`, `"v99"`, 1), refused: "stored in v99"},
		"a kind under another's key":        {key: "deployments/shop/x", stored: cm(""), refused: "the key is one of deployments.apps"},
		"another name than in the key":      {key: "configmaps/shop/y", stored: cm(""), refused: "the key names"},
		"a field that nobody knows":         {key: "configmaps/shop/x", stored: strings.Replace(cm(""), `"data"`, `"later":1,"data"`, 1), refused: "does not know"},
		"a UID and a generation":            {key: "configmaps/shop/x", stored: cm(""), want: intentOfCM},
		"an ownerReference to an absentee":  {key: "configmaps/shop/x", stored: cm(`,"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"o","uid":"u2"}]`), want: intentOfCM},
		"what a controller keeps":           {key: "configmaps/shop/x", stored: cm(`,"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"o","uid":"u2","controller":true}]`), left: "makes and keeps it"},
		"a deletionTimestamp":               {key: "configmaps/shop/x", stored: cm(`,"deletionTimestamp":"2026-01-01T00:00:00Z","deletionGracePeriodSeconds":0`), want: intentOfCM},
		"finalizers":                        {key: "configmaps/shop/x", stored: cm(`,"finalizers":["example.com/cloud"]`), want: intentOfCM},
		"managedFields":                     {key: "configmaps/shop/x", stored: cm(`,"managedFields":[{"manager":"kubectl","operation":"Apply"}]`), want: intentOfCM},
		"a Namespace with its finalizer":    {key: "namespaces/shop", stored: `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","uid":"u","labels":{"kubernetes.io/metadata.name":"shop"},"deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Terminating"}}`, want: `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`},
		"a Service's addresses":             {key: "services/specs/shop/x", stored: `{"apiVersion":"v1","kind":"Service",` + meta("") + `,"spec":{"clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9"],"ipFamilies":["IPv4"],"ports":[{"port":80,"protocol":"TCP","nodePort":30080}],"type":"NodePort"},"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}}`, without: "clusterIP clusterIPs ipFamilies nodePort status loadBalancer uid"},
		"the Service of the API server":     {key: "services/specs/default/kubernetes", stored: `{"apiVersion":"v1","kind":"Service","metadata":{"name":"kubernetes","namespace":"default"},"spec":{"clusterIP":"10.96.0.1"}}`, left: "every cluster makes its own"},
		"a Bound PVC":                       {key: "persistentvolumeclaims/shop/x", stored: `{"apiVersion":"v1","kind":"PersistentVolumeClaim",` + meta(`,"annotations":{"pv.kubernetes.io/bind-completed":"yes"}`) + `,"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeName":"pv-1"},"status":{"phase":"Bound"}}`, without: "volumeName status annotations uid"},
		"a Pod bound to a node":             {key: "pods/shop/x", stored: `{"apiVersion":"v1","kind":"Pod",` + meta("") + `,"spec":{"nodeName":"n1","priority":0,"containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running"}}`, without: "nodeName priority status uid"},
		"a Pod of a ReplicaSet":             {key: "pods/shop/x", stored: `{"apiVersion":"v1","kind":"Pod",` + meta(`,"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"u2","controller":true}]`) + `,"spec":{"containers":[{"name":"c","image":"i"}]}}`, left: "ReplicaSet web makes and keeps it"},
		"a Job that selects by its UID":     {key: "jobs/shop/x", stored: `{"apiVersion":"batch/v1","kind":"Job",` + meta(`,"labels":{"batch.kubernetes.io/controller-uid":"u1","controller-uid":"u1"}`) + `,"spec":{"selector":{"matchLabels":{"batch.kubernetes.io/controller-uid":"u1"}},"template":{"metadata":{"labels":{"batch.kubernetes.io/controller-uid":"u1","controller-uid":"u1"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}`, without: "selector controller-uid batch.kubernetes.io/controller-uid uid"},
		"an EndpointSlice of a controller":  {key: "endpointslices/shop/x", stored: `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice",` + meta(`,"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"web","uid":"u2","controller":true}]`) + `,"addressType":"IPv4"}`, left: "Service web makes and keeps it"},
		"a token Secret":                    {key: "secrets/shop/x", stored: `{"apiVersion":"v1","kind":"Secret",` + meta("") + `,"type":"kubernetes.io/service-account-token"}`, left: "dangerous, elsewhere"},
		"kube-root-ca.crt":                  {key: "configmaps/shop/kube-root-ca.crt", stored: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kube-root-ca.crt","namespace":"shop"}}`, left: "every namespace has its own"},
		"the default ServiceAccount":        {key: "serviceaccounts/shop/default", stored: `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"shop","uid":"u"}}`, left: "every namespace has its own"},
		"a ServiceAccount's token Secrets":  {key: "serviceaccounts/shop/x", stored: `{"apiVersion":"v1","kind":"ServiceAccount",` + meta("") + `,"secrets":[{"name":"x-token"}]}`, without: "secrets uid"},
		"a lock that somebody holds":        {key: "leases/shop/x", stored: `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease",` + meta("") + `,"spec":{"holderIdentity":"cloud-1"}}`, left: "lock that cloud-1 holds"},
		"a Deployment's status and replica": {key: "deployments/shop/x", stored: `{"apiVersion":"apps/v1","kind":"Deployment",` + meta(`,"annotations":{"deployment.kubernetes.io/revision":"7"}`) + `,"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}},"status":{"observedGeneration":3,"replicas":2}}`, without: "status observedGeneration annotations generation uid"},
		"a CRD's status":                    {key: "apiextensions.k8s.io/customresourcedefinitions/widgets.example.com", stored: `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com","uid":"u"},"spec":{"group":"example.com","names":{"kind":"Widget","plural":"widgets"},"scope":"Namespaced","versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]},"status":{"storedVersions":["v1"],"conditions":[],"acceptedNames":{"kind":"Widget","plural":"widgets"}}}`, without: "status storedVersions uid"},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.Take([]byte("/registry/"+row.key), []byte(row.stored))
			switch {
			case row.refused != "":
				if o.Verdict != filter.Refused || !strings.Contains(o.Reason, row.refused) {
					t.Errorf("verdict %d, %q; want it refused: %q", o.Verdict, o.Reason, row.refused)
				}
			case row.left != "":
				if o.Verdict != filter.Left || !strings.Contains(o.Reason, row.left) {
					t.Errorf("verdict %d, %q; want it left: %q", o.Verdict, o.Reason, row.left)
				}
			case o.Verdict != filter.Selected:
				t.Errorf("verdict %d, %q", o.Verdict, o.Reason)
			case row.want != "" && string(o.Value) != row.want:
				t.Errorf("it crosses as %s", o.Value)
			default:
				for _, f := range strings.Fields(row.without) {
					if strings.Contains(string(o.Value), `"`+f+`"`) {
						t.Errorf("it crosses with %s: %s", f, o.Value)
					}
				}
			}
		})
	}
}
