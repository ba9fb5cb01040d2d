"""What cdk-nag's AwsSolutions pack says of us, reviewed: where, which rule, and why it is accepted."""

FRAMEWORK = r"/framework-(onEvent|isComplete|onTimeout)/ServiceRole"
COPY = r"/Custom::CDKBucketDeployment\w+"

REASONS: tuple[tuple[str, str, str], ...] = (
    (r"/Network/Vpc$", r"VPC7", "flow logs are a choice of the config: network.flow_logs"),
    (FRAMEWORK, r"IAM4\[.*/AWSLambdaBasicExecutionRole\]", "CDK's provider framework writes logs by AWS's own policy"),
    (FRAMEWORK, r"IAM5\[Resource::<[^>]*>:\*\]", "CDK's provider framework invokes all versions of one function"),
    (r"/waiter-state-machine/Role", r"IAM5\[Resource::<[^>]*>:\*\]", "the waiter invokes all versions of one function"),
    (r"/waiter-state-machine/Resource$", r"SF[12]", "CDK's waiter holds no data; the functions that it calls log"),
    (COPY, r"(IAM4|IAM5)\[", "CDK's copy of assets into one bucket"),
    (COPY, r"L1", "the runtime is CDK's choice"),
    (
        r"/Eks/Cluster/Role/",
        r"IAM4\[.*/AmazonEKSClusterPolicy\]",
        "the role of an EKS cluster is defined by this policy",
    ),
    (
        r"/Kubernetes/Role/DefaultPolicy",
        r"IAM5\[",
        "waits quote any HyperPod cluster, which comes after this stack, and any add-on of this one; Lambda's own "
        "requirements in a VPC take no narrower resource",
    ),
    (
        r"/ExecutionRoles/.*/Resource$",
        r"IAM4\[.*/AmazonSageMakerClusterInstanceRolePolicy\]",
        "documented as the policy of HyperPod's nodes",
    ),
    (
        r"/ExecutionRoles/.*/DefaultPolicy",
        r"IAM5\[",
        "describe calls have no resources; network interfaces and instances are not there yet; images of the service "
        "lie in its accounts; grants of CDK on whole buckets that were asked for",
    ),
    (
        r"/Guard/Role/",
        r"IAM5\[Resource::arn:.*:sagemaker:.*:cluster/\*\]",
        "it looks at the cluster before it is made",
    ),
    (
        r"/TrainingOperator/Role/",
        r"IAM4\[.*/AmazonSageMakerHyperPodTrainingOperatorAccess\]",
        "documented for the add-on",
    ),
    (r"/LifecycleScripts/Bucket/", r"S1", "holds scripts that CDK puts there; access logs would say nothing"),
    # a shared cluster
    (
        r"/HyperPodGovernanceProvider\w+/Role/DefaultPolicy",
        r"IAM5\[Resource::(\*|arn:.*:(sagemaker:.*:(compute-quota|cluster-scheduler-config)/\*|eks:.*:access-entry/.*/\*))\]",
        "ids of quotas and scheduler configs are given by the service; lists have no resource; access entries of one EKS "
        "cluster",
    ),
    (r"/FsxCsi/Role/", r"IAM5\[Resource::\*\]", "fsx:DescribeFileSystems has no resource-level permissions"),
    (r"/Storage/Bucket-[\w-]+/Bucket/", r"S1", "access logs go to the bucket that the config names: log_bucket_name"),
    (
        r"/Observability(Parts/Grafana)?/Role/",
        r"IAM5\[Resource::(\*|arn:.*:logs:.*:log-group:/aws/sagemaker/Clusters/\*)\]",
        "log groups of HyperPod clusters have ids of the service; CloudWatch reads, lists and tags have no resource",
    ),
    (r"/Grafana/Release/ChartAccess/", r"IAM5\[Resource::\*\]", "ecr:GetAuthorizationToken has no resource"),
)
"""Pattern of the construct path, pattern of the rule, reason."""
