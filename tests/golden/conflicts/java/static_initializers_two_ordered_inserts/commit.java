class Registry {

    static {
        register("a");
    }

    static {
        seal();
    }

}
