"""The parameter counts of docs/fairness.md, to check the counts from the layers."""

from runners.reference.counts import Counts

PUBLISHED = {
    "cnn4": Counts(270_948, 704),
    "resnet18": Counts(11_689_512, 9_600),
    "resnet50": Counts(25_557_032, 53_120),
    "resnet152": Counts(60_192_808, 151_424),
    "vgg16": Counts(138_357_544, 0),
    "mobilenet_v2": Counts(3_504_872, 34_112),
    "efficientnet_b0": Counts(5_288_548, 42_016),
    "efficientnet_b4": Counts(19_341_616, 125_200),
    "efficientnet_b7": Counts(66_347_960, 310_720),
    "convnext_tiny": Counts(28_589_128, 0),
    "vit_b_16": Counts(86_567_656, 0),
}
