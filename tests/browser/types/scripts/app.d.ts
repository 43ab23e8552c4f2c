import type { ComfyApp } from "@comfyorg/comfyui-frontend-types";
export const app: ComfyApp;
