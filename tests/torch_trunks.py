"""LPIPS' trunks in PyTorch, written from their papers' tables: the oracle of tinygan's."""


def torch_layers(torch, name):
    """Build the layers of a trunk as torchvision's papers list them, with the taps' indices."""
    nn = torch.nn
    conv, relu, pool = nn.Conv2d, nn.ReLU, nn.MaxPool2d
    if name == "alex":
        layers = [conv(3, 64, 11, 4, 2), relu(), pool(3, 2), conv(64, 192, 5, padding=2), relu()]
        layers += [pool(3, 2), conv(192, 384, 3, padding=1), relu(), conv(384, 256, 3, padding=1)]
        return [*layers, relu(), conv(256, 256, 3, padding=1), relu()], [1, 4, 7, 9, 11]
    if name == "vgg":
        plan = [
            3,
            64,
            64,
            "M",
            128,
            128,
            "M",
            256,
            256,
            256,
            "M",
            512,
            512,
            512,
            "M",
            512,
            512,
            512,
        ]
        layers, last = [], 3
        for width in plan[1:]:
            layers += [pool(2)] if width == "M" else [conv(last, width, 3, padding=1), relu()]
            last = last if width == "M" else width
        return layers, [3, 8, 15, 22, 29]

    class Fire(nn.Module):
        def __init__(self, channels, squeeze, expand):
            super().__init__()
            self.squeeze = conv(channels, squeeze, 1)
            self.expand1x1 = conv(squeeze, expand, 1)
            self.expand3x3 = conv(squeeze, expand, 3, padding=1)

        def forward(self, x):
            x = torch.relu(self.squeeze(x))
            return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], 1)

    def ceil():
        return pool(3, 2, ceil_mode=True)

    layers = [conv(3, 64, 3, 2), relu(), ceil(), Fire(64, 16, 64), Fire(128, 16, 64), ceil()]
    layers += [Fire(128, 32, 128), Fire(256, 32, 128), ceil(), Fire(256, 48, 192)]
    layers += [Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)]
    return layers, [1, 4, 7, 9, 10, 11, 12]


def torch_trunk(torch, name, state):
    """Return a function from images to the taps, with the weights of ``state``."""
    layers, taps = torch_layers(torch, name)
    stack = torch.nn.Sequential(*layers)
    given = {key.removeprefix("features."): torch.tensor(value) for key, value in state.items()}
    stack.load_state_dict(given)
    mean, std = (
        torch.tensor(v).reshape(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )

    def run(x):
        x, outputs = ((x + 1) / 2 - mean) / std, []
        for i, layer in enumerate(stack):
            x = layer(x)
            if i in taps:
                outputs.append(x)
        return outputs

    return run
