"""Configurations of the models that the exporter can make from nothing.

`tiny`  tests and the demo: trains in minutes on two CPU cores with 64x256 crops.
`small` benchmarks and real training on one modest GPU.
`document-small` lines of text on paper, on a CPU: few operations a pixel, no weights to begin with.
`sd2`   the sizes of Stable Diffusion 2 inpainting and of TrOCR-large's encoder.

Each entry is the keyword arguments of the library's own class: `vae` of diffusers' AutoencoderKL,
`unet` of diffusers' UNet2DConditionModel, `glyph_encoder` of transformers' ViTConfig. `vgg16` is this
project's own: the width multiplies torchvision's channel counts.
"""

KINDS = ("vae", "unet", "glyph_encoder", "vgg16")

PRESETS = {
    "tiny": {
        "vae": {
            "in_channels": 3,
            "out_channels": 3,
            "down_block_types": ["DownEncoderBlock2D"] * 3,
            "up_block_types": ["UpDecoderBlock2D"] * 3,
            "block_out_channels": [8, 16, 32],
            "layers_per_block": 1,
            "latent_channels": 4,
            "norm_num_groups": 8,
            "sample_size": 64,
            # 1 / standard deviation of the latents after a short training
            "scaling_factor": 0.7,
            "mid_block_add_attention": False,
        },
        "unet": {
            "sample_size": 16,
            "in_channels": 9,
            "out_channels": 4,
            "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
            "block_out_channels": [32, 64],
            "layers_per_block": 1,
            "attention_head_dim": [2, 4],
            "cross_attention_dim": 64,
            "norm_num_groups": 8,
            "use_linear_projection": True,
        },
        "glyph_encoder": {
            "hidden_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 192,
            "image_size": [32, 128],
            "patch_size": 8,
            "qkv_bias": False,
        },
        "vgg16": {"width": 0.125},
    },
    "small": {
        "vae": {
            "in_channels": 3,
            "out_channels": 3,
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
            "block_out_channels": [48, 96, 160, 160],
            "layers_per_block": 2,
            "latent_channels": 4,
            "norm_num_groups": 16,
            "sample_size": 256,
            "scaling_factor": 0.18215,
        },
        "unet": {
            "sample_size": 32,
            "in_channels": 9,
            "out_channels": 4,
            "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
            "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
            "block_out_channels": [96, 192, 320, 384],
            "layers_per_block": 1,
            "attention_head_dim": [3, 6, 10, 12],
            "cross_attention_dim": 384,
            "norm_num_groups": 32,
            "use_linear_projection": True,
        },
        "glyph_encoder": {
            "hidden_size": 384,
            "num_hidden_layers": 12,
            "num_attention_heads": 6,
            "intermediate_size": 1536,
            "image_size": [64, 384],
            "patch_size": 16,
            "qkv_bias": False,
        },
        "vgg16": {"width": 1.0},
    },
    "document-small": {
        "vae": {
            "in_channels": 12,
            "out_channels": 12,
            # 2×2 pixels are one place of the first layer
            "space_to_depth": 2,
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "block_out_channels": [32, 64],
            "layers_per_block": 1,
            "latent_channels": 4,
            "norm_num_groups": 8,
            "sample_size": 64,
            "scaling_factor": 1.0,
            "mid_block_add_attention": False,
        },
        "unet": {
            "sample_size": 16,
            "in_channels": 9,
            "out_channels": 4,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "block_out_channels": [64, 96, 160],
            "layers_per_block": 1,
            "attention_head_dim": [2, 3, 5],
            "cross_attention_dim": 128,
            "norm_num_groups": 16,
            "use_linear_projection": True,
        },
        "glyph_encoder": {
            "hidden_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 256,
            "image_size": [32, 256],
            "patch_size": 8,
            "qkv_bias": False,
        },
        "vgg16": {"width": 0.25},
    },
    "sd2": {
        "vae": {
            "in_channels": 3,
            "out_channels": 3,
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
            "block_out_channels": [128, 256, 512, 512],
            "layers_per_block": 2,
            "latent_channels": 4,
            "norm_num_groups": 32,
            "sample_size": 512,
            "scaling_factor": 0.18215,
        },
        "unet": {
            "sample_size": 64,
            "in_channels": 9,
            "out_channels": 4,
            "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
            "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
            "block_out_channels": [320, 640, 1280, 1280],
            "layers_per_block": 2,
            "attention_head_dim": [5, 10, 20, 20],
            "cross_attention_dim": 1024,
            "norm_num_groups": 32,
            "use_linear_projection": True,
        },
        "glyph_encoder": {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
            "image_size": 384,
            "patch_size": 16,
            "qkv_bias": False,
        },
        "vgg16": {"width": 1.0},
    },
}
