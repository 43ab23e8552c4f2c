// What the published types do not name.
type Extension = import("@comfyorg/comfyui-frontend-types").ComfyExtension;
type Created = Parameters<NonNullable<Extension["nodeCreated"]>>[0];
type DOMOptions = import("@comfyorg/comfyui-frontend-types").DOMWidgetOptions<string>;
type DOMWidget = import("@comfyorg/comfyui-frontend-types").DOMWidget<HTMLElement, string>;

/** A node of the graph. */
type ComfyNode = Created & {
  addDOMWidget(name: string, type: string, element: HTMLElement, options: Partial<DOMOptions>): DOMWidget;
};
